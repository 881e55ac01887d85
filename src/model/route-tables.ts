/** Routes of a batch as the tables that `kernels/expert_gate` reads. */
import { MAX_TOP_K } from '../base/shard-metadata.ts';
import { NONE } from '../tensor/device.ts';
import { invariant } from '../base/invariant.ts';
import { pooled } from './expert-pool.ts';
import type { Route } from './runner.ts';

/** Weight of the edge router's prior in the token router: a_e += β · log p_s. */
const BETA = 1;

export interface RouteTables {
  readonly routes: number;
  readonly maxExperts: number;
  /** Largest top-k of the batch; 0 when no route has a shard. */
  readonly topK: number;
  readonly slots: Uint32Array;
  readonly segments: Uint32Array;
  readonly priors: Float32Array;
  readonly topKs: Uint32Array;
}

/** Priors are renormalised over a route's shards; k is the largest top_k among them, at most 4. */
export function buildRouteTables(routes: readonly Route[]): RouteTables {
  const lists = routes.map((route) => route.shards.map((entry) => pooled(entry.shard)));
  const sizes = lists.map((shards) => shards.reduce((sum, shard) => sum + shard.slots.length, 0));
  const maxExperts = Math.max(1, ...sizes);
  const tables = {
    slots: new Uint32Array(routes.length * maxExperts).fill(NONE),
    segments: new Uint32Array(routes.length * maxExperts),
    priors: new Float32Array(routes.length * maxExperts),
    topKs: new Uint32Array(routes.length),
  };
  for (const [index, route] of routes.entries()) {
    const total = route.shards.reduce((sum, entry) => sum + entry.prior, 0);
    let at = index * maxExperts;
    for (const [segment, { shard, prior }] of route.shards.entries()) {
      invariant(prior > 0, 'a prior must be positive');
      const { slots, topK } = pooled(shard);
      tables.topKs[index] = Math.min(MAX_TOP_K, Math.max(tables.topKs[index]!, topK));
      for (const slot of slots) {
        tables.slots[at] = slot;
        tables.segments[at] = segment;
        tables.priors[at++] = BETA * Math.log(prior / total);
      }
    }
  }
  return { routes: routes.length, maxExperts, topK: Math.max(0, ...tables.topKs), ...tables };
}
