/** The list of work for attention: every token's every chunk is somebody's, once, and partial sums have room. */
import { describe, expect, test } from 'vitest';
import {
  attentionConstants,
  attentionWork,
  blockTokens,
  CHUNK,
  partialEntries,
} from '../../kernels/attention-work.ts';
import { NONE } from '../../kernels/kernel.ts';

const block = 8;

/** A batch that has `count` tokens from `first` on of each sequence. */
function batchOf(runs: readonly (readonly [first: number, count: number])[]) {
  const rows = runs.flatMap(([first, count], sequence) =>
    Array.from({ length: count }, (_, i) => ({ sequence, position: first + i })),
  );
  return {
    sequences: Uint32Array.from(rows, ({ sequence }) => sequence),
    positions: Uint32Array.from(rows, ({ position }) => position),
  };
}

/** Pieces of work and entries as objects. */
function cut(runs: readonly (readonly [number, number])[], entries: number) {
  const { sequences, positions } = batchOf(runs);
  const made = attentionWork(sequences, positions, { block, entries });
  const pieces = Array.from({ length: made.work.length / 4 }, (_, i) => {
    const [first = 0, count = 0, chunk = 0, entry = 0] = made.work.subarray(i * 4);
    return { first, count, chunk, entry };
  });
  const splits = Array.from({ length: made.splits.length / 2 }, (_, i) => {
    const [token = 0, entry = 0] = made.splits.subarray(i * 2);
    return { token, entry };
  });
  return { pieces, splits, block: made.block, sequences, positions };
}

describe.each([
  ['no room for partial sums', 0],
  ['room for some', 12],
  ['room for all', 1000],
])('%s', (_, entries) => {
  const runs = [
    [5, 1],
    [CHUNK - 2, 5],
    [4 * CHUNK + 3, 1],
    [0, 40],
    [CHUNK, 1],
    [9 * CHUNK, 8],
    [CHUNK - 1, 1],
  ] as const;
  const { pieces, splits, block: most, sequences, positions } = cut(runs, entries);

  test('every token is walked once, or each of its chunks is somebody’s and it is added up', () => {
    const met = new Map<string, number>();
    for (const { first, count, chunk } of pieces) {
      expect(count).toBeGreaterThan(0);
      expect(count).toBeLessThanOrEqual(Math.min(block, most));
      for (let i = 0; i < count; i++) {
        expect(sequences[first + i]).toBe(sequences[first]);
        expect(positions[first + i]).toBe(positions[first]! + i);
        const key = `${first + i} ${chunk}`;
        met.set(key, (met.get(key) ?? 0) + 1);
      }
    }
    expect([...met.values()].every((times) => times === 1)).toBe(true);
    for (const [token, position] of positions.entries()) {
      const isSplit = splits.some((split) => split.token === token);
      expect(met.has(`${token} ${NONE}`)).toBe(!isSplit);
      for (let chunk = 0; chunk * CHUNK <= position; chunk++) {
        expect(met.has(`${token} ${chunk}`)).toBe(isSplit);
      }
    }
  });

  test('no two tokens share an entry, and none lies outside', () => {
    const used = new Set<number>();
    for (const { token, entry } of splits) {
      for (let chunk = 0; chunk * CHUNK <= positions[token]!; chunk++) {
        expect(used.has(entry + chunk)).toBe(false);
        expect(entry + chunk).toBeLessThan(entries);
        used.add(entry + chunk);
      }
    }
  });

  test('work on a chunk leaves its sums where they are looked for', () => {
    for (const { first, count, chunk, entry } of pieces.filter((piece) => piece.chunk !== NONE)) {
      const chunks = Math.floor(positions[first + count - 1]! / CHUNK) + 1;
      for (let i = 0; i < count; i++) {
        const split = splits.find(({ token }) => token === first + i);
        expect(split?.entry).toBe(entry + i * chunks);
        expect(chunk).toBeLessThan(chunks);
      }
    }
  });
});

test('sequences that fill the cache can all be split while they decode', () => {
  for (const lengths of [[CHUNK + 1], [CHUNK + 1, CHUNK + 1, CHUNK + 1], [3 * CHUNK - 5, CHUNK, 12, 5000]]) {
    const entries = partialEntries(lengths.reduce((sum, length) => sum + length, 0));
    const { splits } = cut(
      lengths.map((length) => [length - 1, 1] as const),
      entries,
    );
    expect(splits).toHaveLength(lengths.filter((length) => length > CHUNK).length);
  }
});

test('a batch that only decodes takes small workgroups, and blocks of a prompt fill large ones', () => {
  expect([blockTokens(16, 8), blockTokens(32, 8), blockTokens(8, 8), blockTokens(40, 1)]).toEqual([
    8, 4, 16, 1,
  ]);
  expect([1, 2, 5, 8].map(rowsFor)).toEqual([2, 16, 16, 16]);
  expect([4, 64, 128, 256, 1024].map(channelsFor)).toEqual([16, 16, 32, 64, 64]);
});

function rowsFor(tokens: number): number | undefined {
  return attentionConstants({ H: 16, KV: 8, D: 128, block: tokens })['ROWS'];
}

function channelsFor(D: number): number | undefined {
  return attentionConstants({ H: 4, KV: 2, D, block: 1 })['CHANNELS'];
}
