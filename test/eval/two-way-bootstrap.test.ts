import { describe, expect, it } from 'vitest';
import { createRandom } from '../../src/base/random.ts';
import { compareSeeds, seedMeans } from '../../src/eval/two-way-bootstrap.ts';

/** Items differ far more than sides; each seed shifts all of its items a little. */
function makeSide(shift: number, seeds: number, seedSpread: number): number[][] {
  return Array.from({ length: seeds }, (_, seed) => {
    const items = createRandom(99);
    const noise = createRandom(1000 + seed + Math.round(shift * 1e6));
    const own = (noise.uniform() - 0.5) * seedSpread;
    return Array.from(
      { length: 300 },
      () => items.uniform() * 10 + shift + own + (noise.uniform() - 0.5) * 0.1,
    );
  });
}

describe('comparing two sides over seeds and items', () => {
  it('finds a difference far smaller than the spread of the items, since items are paired', () => {
    const found = compareSeeds(makeSide(0.1, 3, 0.001), makeSide(0, 3, 0.001));
    expect(found.value).toBeCloseTo(0.1, 2);
    expect(found.low).toBeGreaterThan(0);
    expect(found.detectable).toBeLessThan(0.1);
  });

  it('does not find what is smaller than the spread of the seeds', () => {
    const found = compareSeeds(makeSide(0.1, 3, 2), makeSide(0, 3, 2));
    expect(found.low).toBeLessThan(0);
    expect(found.high).toBeGreaterThan(0);
    expect(found.detectable).toBeGreaterThan(0.1);
  });

  it('weighs items as asked: values over weights', () => {
    const found = compareSeeds([[10, 1]], [[0, 0]], { weights: [10, 1] });
    expect(found.value).toBe(1);
    expect(seedMeans([[10, 1]], [4, 1])).toEqual([11 / 5]);
  });

  it('gives the same interval each time', () => {
    const [left, right] = [makeSide(0.1, 2, 1), makeSide(0, 2, 1)];
    expect(compareSeeds(left, right)).toEqual(compareSeeds(left, right));
  });

  it('refuses sides with different items', () => {
    expect(() => compareSeeds([[1, 2]], [[1]])).toThrow(/same items/);
    expect(() => compareSeeds([], [[1]])).toThrow(/at least one seed/);
  });
});
