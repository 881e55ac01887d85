import { describe, expect, it } from 'vitest';
import { createRandom } from '../../src/base/random.ts';
import { indexOfBest, optionMargin } from '../../src/eval/margins.ts';
import { letterSets } from '../../src/eval/option-sets.ts';

describe('optionMargin', () => {
  it('is the ratio of right to wrong in nats', () => {
    const scores = [Math.log(0.4), Math.log(0.2), Math.log(0.2), Math.log(0.2)];
    expect(optionMargin(scores, [true, false, false, false])).toBeCloseTo(Math.log(2));
    expect(optionMargin(scores, [false, true, false, false])).toBeLessThan(0);
  });

  it('does not see what all options share', () => {
    const scores = [-3, -1, -2];
    const right = [false, true, false];
    const shifted = scores.map((score) => score - 700);
    expect(optionMargin(shifted, right)).toBeCloseTo(optionMargin(scores, right)!);
  });

  it('is 0 on average of a model that only likes some letters', () => {
    const random = createRandom(1);
    const bias = [0, -1, -5, -2, -9];
    const margins = Array.from({ length: 5000 }, (_, n) => {
      const scores = bias.map((value) => value + random.normal());
      return optionMargin(
        scores,
        bias.map((_, letter) => letter === n % 5),
      )!;
    });
    expect(margins.reduce((sum, margin) => sum + margin, 0) / margins.length).toBeCloseTo(0, 1);
  });

  it('is nothing where every option is right, or none', () => {
    expect(optionMargin([-1, -2], [true, true])).toBeNull();
    expect(optionMargin([-1, -2], [false, false])).toBeNull();
  });
});

describe('letterSets', () => {
  it('lists all non-empty sets once', () => {
    const sets = letterSets(['A', 'B', 'C', 'D', 'E']);
    expect(sets).toHaveLength(31);
    expect(new Set(sets).size).toBe(31);
    expect(sets.slice(0, 6)).toEqual(['A', 'B', 'C', 'D', 'E', 'AB']);
    expect(sets.at(-1)).toBe('ABCDE');
  });

  it('refuses more options than can be listed', () => {
    expect(() => letterSets(Array.from('ABCDEFGHI'))).toThrow(
      expect.objectContaining({ code: 'too_many_options' }),
    );
  });
});

describe('indexOfBest', () => {
  it('takes the first of equals', () => {
    expect(indexOfBest([-2, -1, -1])).toBe(1);
  });
});
