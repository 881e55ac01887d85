import { describe, expect, it } from 'vitest';
import {
  bitsPerCharacter,
  compareBitsPerCharacter,
  scoreDocuments,
  type DocumentScore,
  type ScoredDocument,
  type TokenScorer,
} from '../../src/eval/bits-per-character.ts';
import { createRandom } from '../../src/base/random.ts';

function makeScores(seed: number, shift: number): DocumentScore[] {
  const random = createRandom(seed);
  return Array.from({ length: 200 }, (_, index) => {
    const characters = 10 + random.integer(100);
    // Documents differ far more than the two models do.
    const nats = characters * (2 + random.uniform() * 3 + shift);
    return { id: String(index), specialty: index % 2 === 0 ? 'tcm' : null, characters, nats };
  });
}

describe('scoring documents', () => {
  const mask = Uint8Array.from({ length: 25 }, (_, at) => (at === 0 || at % 3 === 0 ? 0 : 1));
  const document: ScoredDocument = {
    id: 'a',
    specialty: null,
    characters: 30,
    ids: Array.from({ length: 25 }, (_, at) => at),
    mask,
  };

  it('scores every marked token of a long document once, with enough before it', async () => {
    const seen: { id: number; before: number }[] = [];
    const scorer: TokenScorer = {
      scoreWindows(windows) {
        const counts = windows.map(({ ids, mask: windowMask }) => {
          expect(ids.length).toBeLessThanOrEqual(10);
          const marked = ids.flatMap((id, at) => (windowMask[at] === 1 ? [{ id, before: at }] : []));
          seen.push(...marked);
          return marked.length;
        });
        return Promise.resolve(counts);
      },
    };
    const [score] = await scoreDocuments([document], scorer, { maxTokens: 10, stride: 4 });
    expect(score).toEqual({ id: 'a', specialty: null, characters: 30, nats: 16 });
    expect(seen.map(({ id }) => id)).toEqual(document.ids.filter((id) => mask[id] === 1));
    for (const { id, before } of seen) expect(before).toBeGreaterThanOrEqual(Math.min(id, 6));
  });

  it('adds up the windows of each document, and refuses a stride that leaves no context', async () => {
    const scorer: TokenScorer = { scoreWindows: (windows) => Promise.resolve(windows.map(() => 1)) };
    const other = { ...document, id: 'b', ids: document.ids.slice(0, 8), mask: mask.slice(0, 8) };
    const scores = await scoreDocuments([document, other], scorer, { maxTokens: 16, stride: 8 });
    // The third window of the first holds the last token alone, which is not marked.
    expect(scores.map(({ id, nats }) => [id, nats])).toEqual([
      ['a', 2],
      ['b', 1],
    ]);
    await expect(scoreDocuments([document], scorer, { maxTokens: 8, stride: 8 })).rejects.toThrow('stride');
  });
});

describe('bits per character', () => {
  it('is the sum of bits over the sum of characters, overall and by specialty', () => {
    const scores: DocumentScore[] = [
      { id: 'a', specialty: 'tcm', characters: 10, nats: 10 * Math.LN2 },
      { id: 'b', specialty: 'tcm', characters: 30, nats: 90 * Math.LN2 },
      { id: 'c', specialty: null, characters: 10, nats: 50 * Math.LN2 },
    ];
    const { overall, bySpecialty } = bitsPerCharacter(scores);
    expect(overall).toMatchObject({ documents: 3, characters: 50 });
    expect(overall.value).toBeCloseTo(3, 12);
    expect(bySpecialty.get('tcm')?.value).toBeCloseTo(2.5, 12);
    expect(bySpecialty.get(null)?.value).toBeCloseTo(5, 12);
  });

  it('has an interval that holds the value and is the same for the same seed', () => {
    const scores = makeScores(1, 0);
    const { overall } = bitsPerCharacter(scores);
    expect(overall.low).toBeLessThan(overall.value);
    expect(overall.high).toBeGreaterThan(overall.value);
    expect(bitsPerCharacter(scores).overall).toEqual(overall);
  });

  it('sees a small difference of two models on the same documents, which their own intervals hide', () => {
    const [left, right] = [makeScores(1, 0), makeScores(1, 0.02).toReversed()];
    const [first, second] = [bitsPerCharacter(left).overall, bitsPerCharacter(right).overall];
    expect(first.high).toBeGreaterThan(second.low);
    const difference = compareBitsPerCharacter(left, right).overall;
    expect(difference.value).toBeCloseTo(-0.02 / Math.LN2, 9);
    expect(difference.high).toBeLessThan(0);
  });

  it('sees no difference where models differ by chance', () => {
    const left = makeScores(1, 0);
    const random = createRandom(8);
    const right = left.map((score) => ({
      ...score,
      nats: score.nats + score.characters * random.normal() * 0.1,
    }));
    const { low, high } = compareBitsPerCharacter(left, right).overall;
    expect(low).toBeLessThan(0);
    expect(high).toBeGreaterThan(0);
  });

  it('compares only scores of the same documents, and only where something was scored', () => {
    const scores = makeScores(1, 0);
    expect(() => compareBitsPerCharacter(scores, scores.slice(1))).toThrow('same documents');
    const other = scores.map((score, index) => (index === 3 ? { ...score, characters: 1 } : score));
    expect(() => compareBitsPerCharacter(scores, other)).toThrow('same documents');
    expect(() => bitsPerCharacter([])).toThrow('no characters');
  });
});
