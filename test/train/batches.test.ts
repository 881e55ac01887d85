import { describe, expect, test } from 'vitest';
import { RowSampler, stackRows } from '../../src/train/batches.ts';
import { packRow } from '../support/tiny-trainer.ts';

const rows = (sampler: RowSampler, from: number, to: number, B: number): number[] =>
  Array.from({ length: to - from }, (_, i) => sampler.batch(from + i, B)).flat();

describe('rows are drawn', () => {
  test.each([
    [1, 1],
    [7, 1],
    [12, 4],
    [10, 4],
    [5, 8],
  ])('each of %i once an epoch, in batches of %i, whether they divide the epoch or not', (count, B) => {
    const drawn = rows(new RowSampler(count, 3), 0, count * 3, B);
    for (let epoch = 0; epoch < 3 * B; epoch++) {
      const own = drawn.slice(epoch * count, (epoch + 1) * count);
      expect(own.toSorted((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, row) => row));
    }
  });

  test('as a function of the step alone, whatever was asked before', () => {
    const straight = rows(new RowSampler(10, 3), 0, 12, 4);
    const jumping = new RowSampler(10, 3);
    for (const step of [11, 2, 7, 2, 0, 5]) {
      expect(jumping.batch(step, 4)).toEqual(straight.slice(step * 4, step * 4 + 4));
    }
  });

  test('in another order in another epoch and from another seed', () => {
    const sampler = new RowSampler(50, 3);
    const [first, second] = [rows(sampler, 0, 50, 1), rows(sampler, 50, 100, 1)];
    expect(second).not.toEqual(first);
    expect(rows(new RowSampler(50, 4), 0, 50, 1)).not.toEqual(first);
    expect(first).not.toEqual(first.toSorted((a, b) => a - b));
  });
});

test('stacked rows lie one after another, starts and positions as in their row', () => {
  const [left, right] = [packRow([[1, 2, 3]], 8), packRow([[4], [5, 6]], 8)];
  const batch = stackRows([left, right]);
  for (const field of ['tokens', 'targets', 'positions', 'starts'] as const) {
    expect([...batch[field]]).toEqual([...left[field], ...right[field]]);
  }
});
