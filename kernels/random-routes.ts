/** Routes for the cases of the gate kernels: lists of shards laid out as the kernels want them. */
import { NONE } from './kernel.ts';
import type { CaseRandom } from './random-case.ts';

export interface CaseRoute {
  /** Number of experts of each active shard; empty: base only. */
  readonly shards: readonly number[];
  readonly topK: number;
}

export interface RouteArrays {
  readonly route_slots: Uint32Array;
  readonly route_segments: Uint32Array;
  readonly route_priors: Float32Array;
  readonly route_top_k: Uint32Array;
}

/** Experts of a route lie in scattered slots below `slots`; every shard has a random prior. */
export function randomRoutes(
  random: CaseRandom,
  routes: readonly CaseRoute[],
  slots: number,
  maxExperts: number,
): RouteArrays {
  const size = routes.length * maxExperts;
  const arrays = {
    route_slots: new Uint32Array(size).fill(NONE),
    route_segments: new Uint32Array(size),
    route_priors: new Float32Array(size),
    route_top_k: Uint32Array.from(routes, ({ topK }) => topK),
  };
  for (const [route, { shards }] of routes.entries()) {
    const order = random.permutation(slots);
    const priors = random.uniforms(shards.length, 0.1, 1);
    const total = priors.reduce((sum, prior) => sum + prior, 0);
    const owner = shards.flatMap((experts, shard) => Array<number>(experts).fill(shard));
    for (const [e, shard] of owner.entries()) {
      arrays.route_slots[route * maxExperts + e] = order[e]!;
      arrays.route_segments[route * maxExperts + e] = shard;
      arrays.route_priors[route * maxExperts + e] = Math.log(priors[shard]! / total);
    }
  }
  return arrays;
}
