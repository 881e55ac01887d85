/**
 * Which shards are active in each row of a training batch: the row's own specialty always, and sometimes one or two
 * others, so that a shard learns to stand beside the shards that an edge router may pick with it.
 */
import { FFN_LINEARS } from '../base/shard-tensors.ts';
import type { Adapted } from '../model/parameters.ts';
import { NONE } from '../tensor/device.ts';
import type { Random } from '../base/random.ts';
import type { ExpertPoolShape } from './network/activations.ts';
import type { BatchRoutes } from './trainer.ts';

export interface ShardPool {
  readonly shards: number;
  /** Experts of a shard; shard s owns slots s·experts to (s+1)·experts. */
  readonly experts: number;
  readonly topK: number;
}

export interface ActiveShards {
  /** Shard indexes, the row's own first. */
  readonly shards: readonly number[];
  /** Priors of the same, summing to 1. */
  readonly priors: readonly number[];
}

/** Most shards of one route. */
export const MAX_ACTIVE_SHARDS = 3;

export function poolShape(
  pool: ShardPool,
  rank: number,
  rows: number,
  adapted: readonly Adapted[] = FFN_LINEARS,
): ExpertPoolShape {
  const most = Math.min(MAX_ACTIVE_SHARDS, pool.shards);
  return {
    slots: pool.shards * pool.experts,
    shardExperts: pool.experts,
    rank,
    adapted,
    topK: pool.topK,
    maxExperts: most * pool.experts,
    maxRoutes: rows,
  };
}

/** Draws the company of a row's own shard; priors are whole eighths, the own one the largest, as at the edge. */
export function drawActiveShards(
  own: number,
  pool: ShardPool,
  chances: readonly [number, number, number],
  random: Random,
): ActiveShards {
  const total = chances[0] + chances[1] + chances[2];
  const draw = random.uniform() * total;
  const wanted = draw < chances[0] ? 1 : draw < chances[0] + chances[1] ? 2 : 3;
  const others = random.shuffle(Array.from({ length: pool.shards }, (_, shard) => shard));
  const company = others.filter((shard) => shard !== own).slice(0, wanted - 1);
  if (company.length === 0) return { shards: [own], priors: [1] };
  const ownEighths = company.length === 1 ? 5 + random.integer(3) : 4 + random.integer(3);
  const rest = 8 - ownEighths;
  const shares = company.map((_, index) => Math.floor((rest + company.length - 1 - index) / company.length));
  return { shards: [own, ...company], priors: [ownEighths / 8, ...shares.map((eighths) => eighths / 8)] };
}

/** Route tables of a batch whose row r has `rows[r]` active; an empty list is the base alone. */
export function batchRoutes(
  rows: readonly ActiveShards[],
  rowLength: number,
  pool: ShardPool,
  shape: ExpertPoolShape,
): BatchRoutes {
  const { maxRoutes, maxExperts } = shape;
  const routes = {
    routeOfToken: new Uint32Array(rows.length * rowLength),
    slots: new Uint32Array(maxRoutes * maxExperts).fill(NONE),
    segments: new Uint32Array(maxRoutes * maxExperts),
    priors: new Float32Array(maxRoutes * maxExperts),
    topK: new Uint32Array(maxRoutes),
  };
  for (const [row, active] of rows.entries()) {
    routes.routeOfToken.fill(row, row * rowLength, (row + 1) * rowLength);
    routes.topK[row] = active.shards.length > 0 ? pool.topK : 0;
    let at = row * maxExperts;
    for (const [segment, shard] of active.shards.entries()) {
      for (let expert = 0; expert < pool.experts; expert++, at++) {
        routes.slots[at] = shard * pool.experts + expert;
        routes.segments[at] = segment;
        routes.priors[at] = Math.log(active.priors[segment]!);
      }
    }
  }
  return routes;
}
