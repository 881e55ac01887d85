import { describe, expect, it } from 'vitest';
import { hashNgrams, normaliseText } from '../../src/base/hashed-ngrams.ts';

const options = { buckets: 2 ** 18, orderWeights: [1, 1, 0.5] };
const of = (text: string) => hashNgrams([{ text, weight: 1 }], options);

/** Buckets of 高, 血, 压, 高血, 血压 and 高血压: a changed hash would silently void every trained router. */
const FROZEN_BUCKETS: readonly number[] = [42139, 60735, 208859, 215625, 221171, 231581];

describe('hashNgrams', () => {
  it('weights n-grams of each order and counts repetitions sublinearly', () => {
    const { buckets, values } = hashNgrams([{ text: '痛痛痛', weight: 1 }], options);
    expect(buckets.length).toBe(3);
    const expected = [1 + Math.log(3), 1 + Math.log(2), 0.5].map(Math.fround);
    expect([...values].sort((a, b) => a - b)).toEqual(expected.sort((a, b) => a - b));
  });

  it('ignores width, case and spacing', () => {
    expect(normaliseText('  ＣＴ　Scan\n\t结果 ')).toBe('ct scan 结果');
    expect(of('ＣＴ　Scan')).toEqual(of(' ct scan'));
  });

  it('adds the counts of segments, each with its weight', () => {
    const whole = hashNgrams(
      [
        { text: '痛', weight: 1 },
        { text: '痛', weight: 0.5 },
      ],
      options,
    );
    expect([...whole.values]).toEqual([Math.fround(1 + Math.log(1.5))]);
    expect([...hashNgrams([{ text: '痛', weight: 0.3 }], options).values]).toEqual([Math.fround(0.3)]);
  });

  it('gives ascending distinct buckets below the limit, also where all collide', () => {
    const { buckets } = hashNgrams([{ text: '医生您好，我最近头晕', weight: 1 }], {
      buckets: 8,
      orderWeights: [1, 1],
    });
    expect(new Set(buckets).size).toBe(buckets.length);
    expect([...buckets]).toEqual([...buckets].sort((a, b) => a - b));
    expect(Math.max(...buckets)).toBeLessThan(8);
  });

  it('counts a code point outside the basic plane as one character', () => {
    expect(of('𠮷').buckets.length).toBe(1);
  });

  it('is empty for empty text', () => {
    expect(of(' \n').buckets.length).toBe(0);
  });

  it('stays what it was when the shipped model was trained', () => {
    const { buckets, values } = of('高血压');
    expect([...buckets]).toEqual(FROZEN_BUCKETS);
    expect([...values].reduce((a, b) => a + b)).toBe(5.5);
  });
});
