import { describe, expect, it } from 'vitest';
import { proportion } from '../../../src/base/proportion.ts';
import { mcnemar, reliability } from '../../../src/train/router/statistics.ts';

const outcomes = (right: number, wrong: number): boolean[] => [
  ...Array.from({ length: right }, () => true),
  ...Array.from({ length: wrong }, () => false),
];

describe('proportion', () => {
  it('gives the Wilson interval', () => {
    const { accuracy, interval } = proportion(outcomes(81, 19));
    expect(accuracy).toBe(0.81);
    expect(interval[0]).toBeCloseTo(0.7222, 4);
    expect(interval[1]).toBeCloseTo(0.8749, 4);
  });
});

describe('mcnemar', () => {
  it('is the exact binomial test over the rows where only one is right', () => {
    // 1 against 9: 2 · (1 + 10) / 2^10
    const first = [...outcomes(1, 9), ...outcomes(50, 0)];
    const second = [...outcomes(0, 1), ...outcomes(9, 0), ...outcomes(50, 0)];
    const test = mcnemar(first, second);
    expect(test.onlyFirstRight).toBe(1);
    expect(test.onlySecondRight).toBe(9);
    expect(test.p).toBeCloseTo(22 / 1024, 12);
  });

  it('finds no difference between equals', () => {
    expect(mcnemar(outcomes(3, 2), outcomes(3, 2)).p).toBe(1);
  });
});

describe('reliability', () => {
  it('weighs the gap of each bin by its rows', () => {
    const { expectedCalibrationError, bins } = reliability(
      [0.95, 0.95, 0.25, 0.25],
      [true, false, false, false],
    );
    expect(bins.map((bin) => [bin.from, bin.rows, bin.observed])).toEqual([
      [0.2, 2, 0],
      [0.9, 2, 0.5],
    ]);
    expect(expectedCalibrationError).toBeCloseTo(0.5 * 0.25 + 0.5 * 0.45, 12);
  });
});
