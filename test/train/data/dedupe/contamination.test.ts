import { describe, expect, it } from 'vitest';
import { createRandom } from '../../../../src/base/random.ts';
import { createContaminationIndex } from '../../../../src/train/data/dedupe/contamination.ts';
import { createNearFinder } from '../../../../src/train/data/dedupe/near-finder.ts';
import { normaliseQuestion } from '../../../../src/train/data/dedupe/normalise.ts';
import { createStemFinder } from '../../../../src/train/data/dedupe/stem-finder.ts';

const STEM = '男性患者六十岁，突发左侧肢体无力三小时，首先应当做的检查是（　　）';
const index = createContaminationIndex([
  { set: 'cmb', id: 'long', question: STEM },
  { set: 'cmexam', id: 'short', question: '甘味的作用是' },
]);

function find(question: string, rest: readonly string[] = []): string | null {
  const match = index.find({ questions: [question], all: [question, ...rest] });
  return match === null ? null : `${match.set} ${match.id}: ${match.kind}`;
}

describe('contamination', () => {
  it('finds the same question whatever its width, case, spaces and punctuation', () => {
    expect(find('男性患者六十岁 突发左侧肢体无力三小时, 首先应当做的检查是')).toBe('cmb long: same question');
    expect(find('甘味的作用是：')).toBe('cmexam short: same question');
    expect(normaliseQuestion('ＡＢｃ－１２ 肝，炎①')).toBe('abc12肝炎1');
  });

  it('finds a long stem anywhere in a row, and a short one only as the question', () => {
    const quoted = `解析：本题“${STEM}”考查影像检查。`;
    expect(find('脑梗死的检查', [quoted])).toBe('cmb long: stem contained');
    expect(find('关于中药', ['甘味的作用是补益。'])).toBeNull();
  });

  it('does not find a stem that only two texts together spell', () => {
    expect(find('另一个问题', [STEM.slice(0, 16), STEM.slice(16)])).toBeNull();
  });

  it('finds a question that differs in little, with its similarity', () => {
    const near = STEM.replace('男性患者', '患者');
    const match = index.find({ questions: [near], all: [near] });
    expect(match).toMatchObject({ kind: 'near duplicate', id: 'long' });
    expect(match?.similarity).toBeGreaterThanOrEqual(0.75);
    expect(match?.similarity).toBeLessThan(1);
    expect(find('女性患者三十岁，突发右侧肢体麻木三天，首先应当做的检查是')).toBeNull();
  });
});

function grams(text: string): Set<string> {
  return new Set(Array.from({ length: Math.max(0, text.length - 5) }, (_, at) => text.slice(at, at + 6)));
}

function jaccard(left: Set<string>, right: Set<string>): number {
  const shared = [...left].filter((gram) => right.has(gram)).length;
  return shared / (left.size + right.size - shared);
}

describe('the finders against their definitions', () => {
  const random = createRandom(5);
  const word = (length: number): string =>
    Array.from({ length }, () => '甲乙丙'.charAt(random.integer(3))).join('');
  const stems = Array.from({ length: 60 }, () => word(4 + random.integer(10)));

  it('finds a stem exactly where one of at least the window is part of the text', () => {
    const finder = createStemFinder(stems, 6);
    let hits = 0;
    for (let round = 0; round < 400; round++) {
      const text = word(random.integer(60));
      const found = finder.find(text);
      const expected = stems.some((stem) => stem.length >= 6 && text.includes(stem));
      expect(found >= 0).toBe(expected);
      if (found >= 0) expect(text).toContain(stems[found]);
      if (expected) hits += 1;
    }
    expect(hits).toBeGreaterThan(20);
  });

  it('finds the most similar text above the threshold, as comparing all pairs does', () => {
    const texts = Array.from({ length: 60 }, () => word(20 + random.integer(10)));
    const finder = createNearFinder(texts, 0.3);
    let hits = 0;
    for (let round = 0; round < 200; round++) {
      const base = texts[random.integer(texts.length)] ?? '';
      const text = `${base.slice(random.integer(6))}${word(random.integer(6))}`;
      const best = Math.max(...texts.map((other) => jaccard(grams(text), grams(other))));
      const found = finder.find(text);
      expect(found?.similarity ?? 0).toBeCloseTo(best >= 0.3 ? best : 0, 12);
      if (found !== null) hits += 1;
    }
    expect(hits).toBeGreaterThan(50);
  });
});
