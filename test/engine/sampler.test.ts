import { describe, expect, it } from 'vitest';
import { createRandom } from '../../src/base/random.ts';
import { atLeast, largest } from '../../src/engine/largest.ts';
import { greedy, type Sampling } from '../../src/engine/request.ts';
import { logprobsOf, sampleToken } from '../../src/engine/sampler.ts';
import { SeenTokens } from '../../src/engine/seen-tokens.ts';

const nothing = new Uint32Array(0);
const warm: Sampling = { ...greedy, temperature: 1 };

/** What is chosen with a draw in the middle. */
function choose(logits: number[], sampling: Sampling, seen: Uint32Array = nothing): number {
  return sampleToken(Float32Array.from(logits), { sampling, uniform: 0.5, seen });
}

function shares(logits: number[], sampling: Sampling, draws = 20_000): number[] {
  const random = createRandom(7);
  const counts = logits.map(() => 0);
  for (let n = 0; n < draws; n++) {
    const draw = { sampling, uniform: random.uniform(), seen: nothing };
    counts[sampleToken(Float32Array.from(logits), draw)]! += 1;
  }
  return counts.map((count) => count / draws);
}

function expectShares(measured: number[], expected: number[]): void {
  // Five standard deviations of a share of 20,000 draws.
  for (const [index, share] of expected.entries()) {
    expect(Math.abs(measured[index]! - share)).toBeLessThanOrEqual(
      5 * Math.sqrt((share * (1 - share)) / 20_000),
    );
  }
}

const halves = [0.5, 0.25, 0.125, 0.125].map((share) => Math.log(share));

describe('sampleToken', () => {
  it('takes the largest logit at temperature 0, the lower id among equals', () => {
    expect(choose([1, 3, 3, 2], greedy)).toBe(1);
  });

  it('draws with the softmax probabilities at temperature 1', () => {
    expectShares(shares(halves, warm), [0.5, 0.25, 0.125, 0.125]);
  });

  it('sharpens the distribution at temperature 0.5', () => {
    const squares = [0.25, 0.0625, 0.015625, 0.015625];
    const total = squares.reduce((sum, square) => sum + square, 0);
    expectShares(
      shares(halves, { ...warm, temperature: 0.5 }),
      squares.map((square) => square / total),
    );
  });

  it.each([
    ['top-k keeps the k likeliest', { topK: 2 }, [2 / 3, 1 / 3, 0, 0]],
    ['top-p keeps the smallest set that reaches it', { topP: 0.7 }, [2 / 3, 1 / 3, 0, 0]],
    ['top-p below the likeliest keeps that one', { topP: 0.1 }, [1, 0, 0, 0]],
    ['top-p applies to what top-k left', { topK: 3, topP: 0.8 }, [2 / 3, 1 / 3, 0, 0]],
    ['min-p drops what is unlikely beside the likeliest', { minP: 0.4 }, [2 / 3, 1 / 3, 0, 0]],
    ['a huge top-k keeps everything', { topK: 1000 }, [0.5, 0.25, 0.125, 0.125]],
  ])('%s', (_title, change, expected) => {
    expectShares(shares(halves, { ...warm, ...change }), expected);
  });

  it.each([0.001, 0.3, 0.9, 0.999])('top-p %f of many tokens keeps what a full sort would keep', (topP) => {
    const random = createRandom(11);
    const logits = Float32Array.from({ length: 300 }, () => 3 * random.normal());
    const weights = Array.from(logits, (logit) => Math.exp(logit));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const kept = new Set<number>();
    let mass = 0;
    for (const token of [...logits.keys()].sort((a, b) => weights[b]! - weights[a]!)) {
      kept.add(token);
      mass += weights[token]!;
      if (mass >= topP * total) break;
    }
    const drawn = new Set<number>();
    for (let n = 0; n < 20_000; n++) {
      const draw = { sampling: { ...warm, topP }, uniform: random.uniform(), seen: nothing };
      drawn.add(sampleToken(logits, draw));
    }
    expect([...drawn].filter((token) => !kept.has(token))).toEqual([]);
    expect(drawn.size).toBeGreaterThanOrEqual(Math.min(kept.size, 3));
  });

  it('lowers logits of generated tokens by presence and frequency penalties', () => {
    const seen = new SeenTokens(Uint32Array.of(1), Uint32Array.of(0, 0), 3).pairs;
    const sampling = { ...greedy, presencePenalty: 0.5, frequencyPenalty: 0.3 };
    expect(choose([2, 1], sampling, seen)).toBe(1);
    expect(choose([2.2, 1], sampling, seen)).toBe(0);
  });

  it('applies the repetition penalty to prompt tokens too', () => {
    const seen = new SeenTokens(Uint32Array.of(0), Uint32Array.of(1), 2).pairs;
    const sampling = { ...greedy, repetitionPenalty: 2 };
    expect(choose([4, 3, 2.5], sampling, seen)).toBe(2);
    expect(choose([-1, -0.9, -1.5], sampling, seen)).toBe(2);
  });

  it('does not change the row it reads', () => {
    const row = Float32Array.of(4, 3);
    const sampling = { ...warm, repetitionPenalty: 2, topP: 0.5 };
    sampleToken(row, { sampling, uniform: 0.5, seen: Uint32Array.of(0, 1) });
    expect([...row]).toEqual([4, 3]);
  });

  it.each([[[NaN, 1]], [[1, NaN]], [[Infinity, 1]], [[-Infinity, -Infinity]]])('refuses logits %j', (row) => {
    expect(() => choose(row, greedy)).toThrow('not finite');
  });

  it('never draws a token masked by -Infinity', () => {
    expectShares(shares([-Infinity, 0, 0], warm), [0, 0.5, 0.5]);
  });
});

describe('logprobsOf', () => {
  it('returns log softmax of the token and of the likeliest alternatives', () => {
    const { logprob, top } = logprobsOf(Float32Array.from(halves), 1, 2);
    expect(logprob).toBeCloseTo(Math.log(0.25), 6);
    expect(top.map((entry) => entry.token)).toEqual([0, 1]);
    expect(top[0]!.logprob).toBeCloseTo(Math.log(0.5), 6);
  });

  it('stays finite for large logits', () => {
    expect(logprobsOf(Float32Array.of(1e30, 0), 0, 0).logprob).toBe(0);
  });
});

describe('largest and atLeast', () => {
  it('order like a stable sort', () => {
    const random = createRandom(3);
    for (const length of [0, 1, 2, 3, 17, 200]) {
      const values = Float32Array.from({ length }, () => random.integer(20));
      const sorted = [...values.keys()].sort((a, b) => values[b]! - values[a]! || a - b);
      for (const count of [0, 1, 5, 64, 65, 300])
        expect(largest(values, count)).toEqual(sorted.slice(0, count));
      expect(atLeast(values, 7)).toEqual(sorted.filter((index) => values[index]! >= 7));
    }
  });
});
