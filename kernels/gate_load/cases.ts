/** Routes of none, one and several shards, shards in several routes, tokens that do not count, a shard nobody sees. */
import { NONE, type KernelCase } from '../kernel.ts';
import { createCaseRandom, type CaseRandom } from '../random-case.ts';

interface LoadShape {
  readonly title: string;
  readonly T: number;
  readonly K: number;
  readonly max_experts: number;
  /** Number of experts of each shard; slots go to them in scattered order. */
  readonly shards: readonly number[];
  /** Shards of each route. */
  readonly routes: readonly (readonly number[])[];
}

const loadShapes: readonly LoadShape[] = [
  { title: 'one token, one expert', T: 1, K: 1, max_experts: 1, shards: [1], routes: [[0]] },
  { title: 'base only', T: 3, K: 2, max_experts: 4, shards: [3], routes: [[]] },
  { title: 'one shard', T: 70, K: 2, max_experts: 8, shards: [8], routes: [[0]] },
  { title: 'three shards', T: 11, K: 3, max_experts: 14, shards: [4, 3, 5], routes: [[0, 1, 2]] },
  {
    title: 'mixed routes, one shard in none',
    T: 29,
    K: 2,
    max_experts: 13,
    shards: [6, 1, 4, 2],
    routes: [[0], [], [2, 0], [1, 2, 0]],
  },
];

export const cases: readonly KernelCase[] = loadShapes.map(({ title, T, K, max_experts, shards, routes }) => {
  const random = createCaseRandom(T * K + max_experts);
  const S = shards.reduce((sum, experts) => sum + experts, 0) + 3;
  const { route_slots, route_segments } = shardRoutes(random, shards, routes, S, max_experts);
  const route_of_token = random.integers(T, routes.length);
  const token_weights = random.uniforms(T, 0.5, 2).map((weight, t) => (t % 5 === 3 ? 0 : weight));
  const places = random.expertSlots(T, K, Math.max(1, max_experts));
  const slots = places.map((place, i) => {
    const list = route_of_token[Math.floor(i / K)]! * max_experts;
    return place === NONE ? NONE : route_slots[list + place]!;
  });
  return {
    title,
    params: { T, K, S, max_experts },
    inputs: {
      logits: random.normals(T * max_experts, 2),
      route_of_token,
      route_slots,
      route_segments,
      slots,
      token_weights,
    },
    outputs: { stats: S * 5 },
  };
});

/** A shard has the same slots in all routes, as it has where routes are made for requests. */
function shardRoutes(
  random: CaseRandom,
  shards: readonly number[],
  routes: readonly (readonly number[])[],
  S: number,
  max_experts: number,
): { readonly route_slots: Uint32Array; readonly route_segments: Uint32Array } {
  const order = random.permutation(S);
  const firsts = shards.map((_, shard) => shards.slice(0, shard).reduce((sum, experts) => sum + experts, 0));
  const route_slots = new Uint32Array(routes.length * max_experts).fill(NONE);
  const route_segments = new Uint32Array(routes.length * max_experts);
  for (const [route, members] of routes.entries()) {
    const experts = members.flatMap((shard, segment) =>
      Array.from({ length: shards[shard]! }, (_, e) => ({ segment, slot: order[firsts[shard]! + e]! })),
    );
    for (const [e, { segment, slot }] of experts.entries()) {
      route_slots[route * max_experts + e] = slot;
      route_segments[route * max_experts + e] = segment;
    }
  }
  return { route_slots, route_segments };
}
