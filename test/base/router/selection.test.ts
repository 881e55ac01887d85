import { describe, expect, it } from 'vitest';
import { quantisePriors, selectShards, type SelectionPolicy } from '../../../src/base/router/selection.ts';

const policy: SelectionPolicy = {
  threshold: 0.3,
  joinShare: 0.5,
  joinFloor: 0.25,
  maxShards: 3,
  general: { kind: 'base' },
};

const of = (probabilities: Record<string, number>) =>
  Object.entries(probabilities).map(([specialty, probability]) => ({ specialty, probability }));

describe('selectShards', () => {
  it('gives a clear prompt one shard', () => {
    expect(selectShards(of({ tcm: 0.1, oncology: 0.9, obgyn: 0.2 }), policy)).toEqual([
      { specialty: 'oncology', prior: 1 },
    ]);
  });

  it('lets near specialties join, best first, with priors of their probabilities', () => {
    expect(selectShards(of({ neurology: 0.4, pediatrics: 0.8, tcm: 0.39 }), policy)).toEqual([
      { specialty: 'pediatrics', prior: 0.625 },
      { specialty: 'neurology', prior: 0.375 },
    ]);
    expect(selectShards(of({ a: 0.9, b: 0.6 }), policy)).toEqual([
      { specialty: 'a', prior: 0.625 },
      { specialty: 'b', prior: 0.375 },
    ]);
  });

  it('never chooses more than the policy allows, nor one below the floor', () => {
    const four = of({ a: 0.5, b: 0.5, c: 0.5, d: 0.5 });
    expect(selectShards(four, policy)).toHaveLength(3);
    expect(selectShards(four, { ...policy, maxShards: 1 })).toHaveLength(1);
    expect(selectShards(of({ a: 0.4, b: 0.24 }), policy)).toHaveLength(1);
  });

  it('sends an unclear prompt to the general path', () => {
    const unclear = of({ a: 0.29, b: 0.28 });
    expect(selectShards(unclear, policy)).toEqual([]);
    const shard: SelectionPolicy = { ...policy, general: { kind: 'shard', specialty: 'general' } };
    expect(selectShards(unclear, shard)).toEqual([{ specialty: 'general', prior: 1 }]);
    expect(selectShards(unclear, shard, new Set(['a']))).toEqual([]);
    expect(selectShards([], policy)).toEqual([]);
  });

  it('leaves out specialties without an active shard, and takes no lesser guess for the best', () => {
    const both = of({ a: 0.9, b: 0.8 });
    expect(selectShards(both, policy, new Set(['a']))).toEqual([{ specialty: 'a', prior: 1 }]);
    expect(selectShards(both, policy, new Set(['b']))).toEqual([]);
  });
});

describe('quantisePriors', () => {
  it('gives eighths of at least one that sum to one, in the order of the weights', () => {
    const shares = [0, 0.01, 0.1, 0.25, 0.333, 0.5, 0.77, 1];
    for (const a of shares) {
      for (const b of shares) {
        for (const weights of [
          [a, b],
          [1, a, b],
        ]) {
          const priors = quantisePriors(weights);
          expect(priors.reduce((sum, prior) => sum + prior, 0)).toBe(1);
          for (const [index, prior] of priors.entries()) {
            expect(Number.isInteger(prior * 8) && prior >= 1 / 8).toBe(true);
            for (const [other, weight] of weights.entries()) {
              if (weight > (weights[index] ?? 0)) expect(priors[other]).toBeGreaterThanOrEqual(prior);
            }
          }
        }
      }
    }
  });
});
