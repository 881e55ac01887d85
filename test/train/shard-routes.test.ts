import { describe, expect, test } from 'vitest';
import { FFN_LINEARS } from '../../src/base/shard-tensors.ts';
import { NONE } from '../../kernels/kernel.ts';
import { createRandom } from '../../src/base/random.ts';
import {
  MAX_ACTIVE_SHARDS,
  batchRoutes,
  drawActiveShards,
  poolShape,
  type ActiveShards,
  type ShardPool,
} from '../../src/train/shard-routes.ts';

const pool: ShardPool = { shards: 5, experts: 3, topK: 2 };
const random = createRandom(1);
const draw = (chances: readonly [number, number, number], own = 2, from = pool): ActiveShards =>
  drawActiveShards(own, from, chances, random);
const many = (chances: readonly [number, number, number], own = 2): ActiveShards[] =>
  Array.from({ length: 400 }, () => draw(chances, own));

const sequence = (seed: number): ActiveShards[] => {
  const own = createRandom(seed);
  return [0, 1, 2, 3].map((shard) => drawActiveShards(shard, pool, [1, 1, 1], own));
};

describe('the shards that are active in a row', () => {
  test.each([
    [[1, 0, 0], 1],
    [[0, 1, 0], 2],
    [[0, 0, 1], 3],
    [[0, 0, 0.001], 3],
  ] as const)('with chances %j they are %i', (chances, count) => {
    expect(new Set(many(chances).map(({ shards }) => shards.length))).toEqual(new Set([count]));
  });

  test('come about as often as their chances say', () => {
    const counts = [0, 0, 0, 0];
    for (const { shards } of many([2, 1, 1])) counts[shards.length]!++;
    expect(counts[1]).toBeGreaterThan(150);
    expect(counts[1]).toBeLessThan(250);
    expect(counts[2]).toBeGreaterThan(60);
    expect(counts[3]).toBeGreaterThan(60);
  });

  test.each([0, 2, 4])('are the own one first and different others, each of them at times: own %i', (own) => {
    const seen = new Set<number>();
    for (const { shards } of many([1, 1, 1], own)) {
      expect(shards[0]).toBe(own);
      expect(new Set(shards).size).toBe(shards.length);
      for (const shard of shards) seen.add(shard);
    }
    expect([...seen].toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4]);
  });

  test('have priors in whole eighths that sum to 1, the own one no smaller than another', () => {
    const kinds = new Set<string>();
    for (const { shards, priors } of many([1, 1, 1])) {
      expect(priors).toHaveLength(shards.length);
      expect(priors.reduce((sum, prior) => sum + prior, 0)).toBe(1);
      for (const prior of priors) {
        expect(Number.isInteger(prior * 8) && prior > 0).toBe(true);
        expect(prior).toBeLessThanOrEqual(priors[0]!);
      }
      kinds.add(priors.join());
    }
    expect(kinds.size).toBe(7);
  });

  test('are the own one alone where there is no other, and all where there are two', () => {
    expect(draw([0, 0, 1], 0, { ...pool, shards: 1 })).toEqual({ shards: [0], priors: [1] });
    expect(draw([0, 0, 1], 1, { ...pool, shards: 2 }).shards).toEqual([1, 0]);
  });

  test('are the same from the same random state', () => {
    expect(sequence(9)).toEqual(sequence(9));
    expect(sequence(9)).not.toEqual(sequence(10));
  });
});

describe('route tables of a batch', () => {
  const shape = poolShape(pool, 4, 3);
  const rows: ActiveShards[] = [
    { shards: [4], priors: [1] },
    { shards: [], priors: [] },
    { shards: [2, 0, 3], priors: [4 / 8, 3 / 8, 1 / 8] },
  ];
  const routes = batchRoutes(rows, 4, pool, shape);
  const route = (values: Uint32Array | Float32Array, row: number): number[] => [
    ...values.subarray(row * shape.maxExperts, (row + 1) * shape.maxExperts),
  ];

  test('the pool has room for the most shards of a route, and no more than there are', () => {
    expect(shape).toEqual({
      adapted: FFN_LINEARS,
      slots: 15,
      shardExperts: 3,
      rank: 4,
      topK: 2,
      maxExperts: MAX_ACTIVE_SHARDS * 3,
      maxRoutes: 3,
    });
    expect(poolShape({ ...pool, shards: 1 }, 4, 3).maxExperts).toBe(3);
  });

  test('every token has the route of its row', () => {
    expect([...routes.routeOfToken]).toEqual([0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]);
  });

  test('a list holds the slots of its shards and NONE after them', () => {
    expect(route(routes.slots, 0)).toEqual([12, 13, 14, ...Array.from({ length: 6 }, () => NONE)]);
    expect(route(routes.slots, 1)).toEqual(Array.from({ length: 9 }, () => NONE));
    expect(route(routes.slots, 2)).toEqual([6, 7, 8, 0, 1, 2, 9, 10, 11]);
    expect([...routes.topK]).toEqual([2, 0, 2]);
  });

  test('segments number the shards of a route, and priors are logarithms', () => {
    expect(route(routes.segments, 2)).toEqual([0, 0, 0, 1, 1, 1, 2, 2, 2]);
    const expected = [4 / 8, 3 / 8, 1 / 8].flatMap((prior) =>
      Array.from({ length: 3 }, () => Math.log(prior)),
    );
    for (const [i, prior] of route(routes.priors, 2).entries()) expect(prior).toBeCloseTo(expected[i]!, 6);
    expect(route(routes.priors, 0).slice(0, 3)).toEqual([0, 0, 0]);
  });
});
