/** Measures of routing on inputs whose answers are known. */
import { describe, expect, test } from 'vitest';
import {
  entropy,
  mutualInformation,
  normalised,
  shares,
  silhouette,
  withinVariance,
  type Point,
} from '../../src/train/routing-metrics.ts';

const point = (expert: number, ...z: number[]): Point => ({ expert, z });

describe('entropy', () => {
  test('is ln n of n equal shares, 0 of one, and knows a share of 0', () => {
    expect(entropy([1 / 4, 1 / 4, 1 / 4, 1 / 4])).toBeCloseTo(Math.log(4), 12);
    expect(entropy([1, 0, 0])).toBeCloseTo(0, 12);
    expect(entropy([1 / 2, 1 / 4, 1 / 4])).toBeCloseTo(1.5 * Math.LN2, 12);
  });
});

describe('shares', () => {
  test('sum to 1, or are 0 where nothing was counted', () => {
    expect(shares([1, 3, 0])).toEqual([0.25, 0.75, 0]);
    expect(shares([0, 0])).toEqual([0, 0]);
  });
});

describe('mutual information', () => {
  test('is 0 where every specialty spreads alike', () => {
    expect(
      mutualInformation([
        [10, 30],
        [20, 60],
      ]),
    ).toBeCloseTo(0, 12);
  });

  test('is the entropy of specialties where each has an expert of its own', () => {
    expect(
      mutualInformation([
        [5, 0, 0],
        [0, 5, 0],
        [0, 0, 5],
      ]),
    ).toBeCloseTo(Math.log(3), 12);
  });

  test('of counts 3, 1 and 1, 3 is that of a channel that errs in a quarter', () => {
    const expected = Math.LN2 - entropy([3 / 4, 1 / 4]);
    expect(
      mutualInformation([
        [3, 1],
        [1, 3],
      ]),
    ).toBeCloseTo(expected, 12);
  });

  test('of nothing is 0', () => {
    expect(mutualInformation([[0, 0]])).toBe(0);
    expect(mutualInformation([])).toBe(0);
  });
});

describe('silhouette', () => {
  test('is 1 where experts are single directions, whatever their sizes', () => {
    expect(silhouette([point(0, 1, 0), point(0, 1, 0), point(0, 1, 0), point(4, 0, 1), point(4, 0, 1)])).toBe(
      1,
    );
  });

  test('is below 0 where points lie nearer to the other expert', () => {
    expect(silhouette([point(0, 1, 0), point(0, -1, 0), point(1, 1, 0), point(1, -1, 0)])).toBeCloseTo(
      -0.5,
      12,
    );
  });

  test('is 0 of points alone in their experts, and null of one expert', () => {
    expect(silhouette([point(0, 1, 0), point(1, 0, 1)])).toBe(0);
    expect(silhouette([point(0, 1, 0), point(0, 0, 1)])).toBeNull();
    expect(silhouette([])).toBeNull();
  });
});

describe('within-expert variance', () => {
  test('is 0 of experts that say one thing each, 1 of opposites', () => {
    expect(withinVariance([point(0, 1, 0), point(0, 1, 0), point(1, 0, 1), point(1, 0, 1)])).toBeCloseTo(
      0,
      12,
    );
    expect(withinVariance([point(0, 1, 0), point(0, -1, 0)])).toBeCloseTo(1, 12);
  });

  test('of two directions at a right angle is a half, a mean over experts', () => {
    const right = [point(0, 1, 0), point(0, 0, 1)];
    expect(withinVariance(right)).toBeCloseTo(0.5, 12);
    expect(withinVariance([...right, point(1, 1, 0), point(1, 1, 0)])).toBeCloseTo(0.25, 12);
  });

  test('is null where no expert has two points', () => {
    expect(withinVariance([point(0, 1, 0), point(1, 1, 0)])).toBeNull();
  });
});

test('a vector is brought to length 1, a zero stays zero', () => {
  expect(normalised([3, 4])).toEqual([0.6, 0.8]);
  expect(normalised([0, 0])).toEqual([0, 0]);
});
