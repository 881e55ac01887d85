import { describe, expect, it } from 'vitest';
import { createRandom } from '../../../src/base/random.ts';
import { createCorpusBuilder, type EncodedCorpus } from '../../../src/train/data/corpus.ts';
import { NO_TARGET, packDataset, type PackedDataset } from '../../../src/train/data/packing.ts';

const about = { id: 'x', part: 'sft', source: 's', specialty: null, characters: 0 } as const;

/** Every token of the corpus is its own position plus 1, so that rows show where each came from. */
function makeCorpus(
  lengths: readonly { turns: readonly [number, number][] | null; length: number }[],
): EncodedCorpus {
  const builder = createCorpusBuilder();
  let next = 1;
  for (const { turns, length } of lengths) {
    const ids = Array.from({ length }, () => next++);
    const answers = new Uint8Array(length).fill(turns === null ? 1 : 0);
    answers[0] = 0;
    const starts: number[] = [];
    let at = 0;
    for (const [prompt, answer] of turns ?? []) {
      starts.push(at);
      answers.fill(1, at + prompt, at + prompt + answer);
      at += prompt + answer;
    }
    builder.add(about, ids, answers, turns === null ? null : starts);
  }
  return builder.finish();
}

const chat = (...turns: [number, number][]): { turns: [number, number][]; length: number } => ({
  turns,
  length: turns.reduce((sum, [prompt, answer]) => sum + prompt + answer, 0),
});
const text = (length: number): { turns: null; length: number } => ({ turns: null, length });

const random = createRandom(3);
const mixed = makeCorpus([
  ...Array.from({ length: 60 }, () => text(2 + random.integer(200))),
  ...Array.from({ length: 200 }, () =>
    chat(
      ...Array.from({ length: 1 + random.integer(4) }, (): [number, number] => [
        2 + random.integer(30),
        1 + random.integer(40),
      ]),
    ),
  ),
]);

function rowsOf(
  dataset: PackedDataset,
): { token: number; target: number; position: number; start: number }[][] {
  return Array.from({ length: dataset.rowCount }, (_, index) => {
    const row = dataset.row(index);
    return [...row.tokens].map((token, at) => ({
      token,
      target: row.targets[at] ?? 0,
      position: row.positions[at] ?? 0,
      start: row.starts[at] ?? 0,
    }));
  });
}

describe('packing', () => {
  const everything = packDataset(mixed, { rowLength: 64, seed: 1, learn: 'everything' });

  it('has no token twice and learns all but the first of each document, when everything is learnt', () => {
    const cells = rowsOf(everything).flat();
    const tokens = cells.map(({ token }) => token).filter((token) => token !== 0);
    expect(new Set(tokens).size).toBe(tokens.length);
    expect(tokens).toHaveLength(everything.tokenCount);
    const firsts = new Set(mixed.documents.flatMap(({ start, turns }) => [start, ...(turns ?? [])]));
    const targets = new Set(cells.map(({ target }) => target).filter((target) => target !== NO_TARGET));
    expect(targets.size).toBe(everything.targetCount);
    const neither = [...mixed.tokens].filter((token) => !targets.has(token) && !firsts.has(token - 1));
    expect(neither).toEqual([]);
  });

  it.each(['everything', 'answers'] as const)(
    'points every target at the next token of its own document when learning %s',
    (learn) => {
      const dataset = packDataset(mixed, { rowLength: 64, seed: 1, learn });
      const owner = (token: number): number =>
        mixed.documents.findIndex(({ start, end }) => token - 1 >= start && token - 1 < end);
      for (const { token, target } of rowsOf(dataset).flat()) {
        if (target === NO_TARGET) continue;
        expect(target).toBe(token + 1);
        expect(owner(target)).toBe(owner(token));
        if (learn === 'answers') expect(mixed.answers[target - 1]).toBe(1);
      }
    },
  );

  it('begins positions anew at each start, and gives padding no neighbour', () => {
    let padding = 0;
    for (const row of rowsOf(everything)) {
      for (const [at, { token, position, start, target }] of row.entries()) {
        if (token === 0) {
          expect([position, start, target]).toEqual([0, at, NO_TARGET]);
          padding += 1;
        } else {
          expect(position).toBe(at - start);
          expect(row[start]?.position).toBe(0);
        }
      }
    }
    expect(padding).toBe(everything.rowCount * 64 - everything.tokenCount);
    expect(padding).toBeLessThan(0.15 * everything.rowCount * 64);
  });

  it('gives the same rows for the same seed and others for another', () => {
    const again = packDataset(mixed, { rowLength: 64, seed: 1, learn: 'everything' });
    expect(rowsOf(again)).toEqual(rowsOf(everything));
    const other = packDataset(mixed, { rowLength: 64, seed: 2, learn: 'everything' });
    expect(rowsOf(other)).not.toEqual(rowsOf(everything));
  });

  it('cuts a long chat between turns', () => {
    const corpus = makeCorpus([chat([3, 3], [3, 3], [3, 3])]);
    const rows = rowsOf(packDataset(corpus, { rowLength: 13, seed: 1, learn: 'answers' }));
    const tokens = rows.map((row) => row.map(({ token }) => token).filter((token) => token !== 0));
    expect(tokens.sort((left, right) => (left[0] ?? 0) - (right[0] ?? 0))).toEqual([
      [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
      [13, 14, 15, 16, 17, 18],
    ]);
  });

  it('takes the middle out of a question that leaves no room for its answer', () => {
    const corpus = makeCorpus([chat([100, 50])]);
    const dataset = packDataset(corpus, { rowLength: 16, seed: 1, learn: 'answers' });
    expect(dataset.rowCount).toBe(1);
    const [row] = rowsOf(dataset);
    expect(row?.map(({ token }) => token)).toEqual([
      1, 2, 3, 4, 97, 98, 99, 100, 101, 102, 103, 104, 105, 106, 107, 108,
    ]);
    expect(row?.map(({ target }) => (target === NO_TARGET ? 0 : target))).toEqual([
      0, 0, 0, 0, 0, 0, 0, 101, 102, 103, 104, 105, 106, 107, 108, 0,
    ]);
  });

  it('cuts off the end of an answer that is too long', () => {
    const corpus = makeCorpus([chat([4, 50])]);
    const [row] = rowsOf(packDataset(corpus, { rowLength: 16, seed: 1, learn: 'answers' }));
    expect(row?.map(({ token }) => token)).toEqual(Array.from({ length: 16 }, (_, at) => at + 1));
    expect(row?.filter(({ target }) => target !== NO_TARGET)).toHaveLength(12);
  });

  it('has no rows when there is nothing to learn, and refuses rows too short to be of use', () => {
    expect(packDataset(makeCorpus([text(1)]), { rowLength: 16, seed: 1, learn: 'everything' }).rowCount).toBe(
      0,
    );
    expect(() => packDataset(mixed, { rowLength: 4, seed: 1, learn: 'everything' })).toThrow('at least 8');
  });
});
