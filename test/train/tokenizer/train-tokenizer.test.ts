import { describe, expect, it } from 'vitest';
import { createRandom } from '../../../src/base/random.ts';
import { createTokenizer } from '../../../src/model/tokenizer.ts';
import { learnMerges } from '../../../src/train/tokenizer/byte-pair-merges.ts';
import { trainTokenizer } from '../../../src/train/tokenizer/train-tokenizer.ts';

const WORDS = [
  '头痛',
  '头晕',
  '胃痛',
  '三天',
  '医生',
  '发热',
  '咳嗽',
  'aaaa',
  'ab',
  '😀',
  '龘',
  '，请问',
  '。',
];

function makeTexts(count: number): string[] {
  const random = createRandom(5);
  return Array.from({ length: count }, () =>
    Array.from({ length: 1 + random.integer(12) }, () => WORDS[random.integer(WORDS.length)]).join(''),
  );
}

/** The same rule by counting everything anew for each merge, on arrays of byte strings written as hex. */
function learnSlowly(
  pieces: ReadonlyMap<string, number>,
  merges: number,
  idOf: Map<string, number>,
): string[] {
  let words = [...pieces].map(([piece, weight]) => ({
    weight,
    symbols: [...new TextEncoder().encode(piece)].map((byte) => byte.toString(16).padStart(2, '0')),
  }));
  const learnt: string[] = [];
  while (learnt.length < merges) {
    const counts = new Map<string, number>();
    for (const { symbols, weight } of words) {
      for (let at = 0; at + 1 < symbols.length; at++) {
        const pair = `${symbols[at]} ${symbols[at + 1]}`;
        if (mayJoin(pair)) counts.set(pair, (counts.get(pair) ?? 0) + weight);
      }
    }
    const rank = (pair: string): number =>
      pair.split(' ').reduce((sum, symbol) => sum * 2 ** 20 + (idOf.get(symbol) ?? 0), 0);
    const best = [...counts]
      .filter(([, count]) => count >= 2)
      .sort(([left, n], [right, m]) => m - n || rank(left) - rank(right))[0]?.[0];
    if (best === undefined) break;
    const [left, right] = best.split(' ');
    const joined = `${left}${right}`;
    idOf.set(joined, idOf.size);
    learnt.push(best);
    words = words.map(({ symbols, weight }) => {
      const merged: string[] = [];
      for (let at = 0; at < symbols.length; at++) {
        if (symbols[at] === left && symbols[at + 1] === right) {
          merged.push(joined);
          at += 1;
        } else merged.push(symbols[at] ?? '');
      }
      return { symbols: merged, weight };
    });
  }
  return learnt;
}

/** Whole characters, or the beginning of one. */
function mayJoin(pair: string): boolean {
  const [left = '', right = ''] = pair.split(' ');
  if (isWhole(left)) return isWhole(right);
  const first = Number.parseInt(left.slice(0, 2), 16);
  const needed = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 0;
  return (left.length + right.length) / 2 <= needed && !isWhole(right);
}

function isWhole(symbol: string): boolean {
  return !Buffer.from(symbol, 'hex').toString().includes('\ufffd');
}

const hex = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString('hex');

describe('learning merges', () => {
  it('learns the merges that counting anew each time would learn', () => {
    const pieces = new Map(makeTexts(300).map((text, index) => [text, 1 + (index % 3)]));
    const { tokens, pairs } = learnMerges(pieces, { merges: 60, maxTokenBytes: 1000 });
    const idOf = new Map(tokens.slice(0, 256).map((bytes, id) => [hex(bytes), id]));
    expect(pairs.map(([left, right]) => `${hex(tokens[left])} ${hex(tokens[right])}`)).toEqual(
      learnSlowly(pieces, 60, idOf),
    );
  });

  it('makes tokens of whole characters or of the beginning of one', () => {
    const { tokens } = learnMerges(new Map(makeTexts(300).map((text) => [text, 1])), {
      merges: 200,
      maxTokenBytes: 1000,
    });
    for (const token of tokens.slice(256)) {
      const text = Buffer.from(token).toString();
      expect(text.includes('\ufffd') ? Array.from(text).length : 1).toBe(1);
    }
  });

  it('stops at the longest token allowed, and when no pair occurs twice', () => {
    const pieces = new Map([['aaaaaaaaaaaaaaaa', 10]]);
    expect(learnMerges(pieces, { merges: 50, maxTokenBytes: 1000 }).tokens.at(-1)).toHaveLength(16);
    expect(learnMerges(pieces, { merges: 50, maxTokenBytes: 4 }).tokens.at(-1)).toHaveLength(4);
    expect(learnMerges(new Map([['abc', 1]]), { merges: 50, maxTokenBytes: 9 }).pairs).toEqual([]);
  });
});

describe('training a tokenizer', () => {
  const options = { vocabularySize: 300, maxTokenBytes: 12, maxPositions: 64 };

  it('gives the same files for the same texts, whatever their order', () => {
    const texts = makeTexts(300);
    const files = trainTokenizer(texts, options);
    expect(trainTokenizer(texts.toReversed(), options)).toEqual(files);
  });

  it('gives a tokenizer of the size asked for that reads every text back', () => {
    const texts = [...makeTexts(300), '全新的字：纛\n\t 12', ''];
    const files = trainTokenizer(texts, options);
    const tokenizer = createTokenizer({ tokenizer: files.tokenizer, tokenizerConfig: files.config });
    expect(tokenizer.vocabularySize).toBe(300);
    expect(tokenizer.encode('头痛')).toHaveLength(1);
    for (const text of texts) expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
  });

  it('says so when the texts are too few for the size', () => {
    expect(() => trainTokenizer(['头痛头痛'], options)).toThrow('give more text or a smaller vocabulary');
    expect(() => trainTokenizer([], { ...options, vocabularySize: 100 })).toThrow('needs at least 261');
  });
});
