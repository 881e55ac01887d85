import { describe, expect, it } from 'vitest';
import { createRandom } from '../../../src/base/random.ts';
import { createNgramTable, ABSENT } from '../../../src/eval/ngram/ngram-table.ts';
import { addDocuments, scorePassages, type NgramDocument } from '../../../src/eval/ngram/score-passages.ts';
import { createNgramTrainer, type NgramModel, type TextKind } from '../../../src/eval/ngram/kneser-ney.ts';

function train(texts: readonly (readonly [string, TextKind])[], order = 5): NgramModel {
  const trainer = createNgramTrainer(order);
  for (const [text, kind] of texts) trainer.add(text, kind);
  return trainer.finish();
}

function makeTexts(count: number, seed: number): [string, TextKind][] {
  const random = createRandom(seed);
  const words = ['头痛', '头晕', '三天', '医生', '，', '。', 'ab', '😀'];
  return Array.from({ length: count }, () => [
    Array.from({ length: 1 + random.integer(10) }, () => words[random.integer(words.length)]).join(''),
    random.uniform() < 0.5 ? 'question' : 'answer',
  ]);
}

describe('the n-gram model', () => {
  const model = train(makeTexts(400, 1));

  it.each(['', '头', '头痛', '医生三天', '没见过', 'ab。'])(
    'gives all of Unicode and the end a probability of 1 together after %j',
    (before) => {
      const known = new Set(
        Array.from(
          makeTexts(400, 1)
            .map(([text]) => text)
            .join(''),
        ),
      );
      const unseen = model.probability(before, 'answer', '龘');
      expect(unseen).toBeGreaterThan(0);
      for (const other of ['\u0000', '\u{10ffff}', '罕']) {
        expect(model.probability(before, 'answer', other)).toBe(unseen);
      }
      let sum = model.probability(before, 'answer', null) + (0x110000 - known.size) * unseen;
      for (const character of known) sum += model.probability(before, 'answer', character);
      expect(sum).toBeCloseTo(1, 9);
    },
  );

  it('scores a text by the product of the probabilities of its characters', () => {
    const text = '头痛三天，龘😀';
    let nats = 0;
    let before = '';
    for (const character of text) {
      nats -= Math.log(model.probability(before, 'question', character));
      before += character;
    }
    const score = model.score(text, 'question');
    expect(score.characters).toBe(7);
    expect(score.nats).toBeCloseTo(nats, 9);
  });

  it('finds text like its own likelier than shuffled text', () => {
    const random = createRandom(9);
    for (const [text, kind] of makeTexts(50, 2).filter(([sample]) => Array.from(sample).length > 8)) {
      const shuffled = random.shuffle(Array.from(text)).join('');
      if (shuffled === text) continue;
      expect(model.score(text, kind).nats).toBeLessThan(model.score(shuffled, kind).nats);
    }
  });

  it('knows how answers begin and how questions begin', () => {
    const kinds = train([
      ...Array.from({ length: 20 }, (): [string, TextKind] => ['请问', 'question']),
      ...Array.from({ length: 20 }, (): [string, TextKind] => ['建议', 'answer']),
    ]);
    expect(kinds.probability('', 'question', '请')).toBeGreaterThan(0.8);
    expect(kinds.probability('', 'answer', '请')).toBeLessThan(0.2);
  });

  it('gives a character after an unseen context by the number of its contexts, not its frequency', () => {
    // "b" is frequent but always after "a"; "c" is rarer and follows four characters.
    const texts: [string, TextKind][] = Array.from({ length: 30 }, () => ['ab', 'text']);
    for (const left of ['d', 'e', 'f', 'g']) texts.push([`${left}c`, 'text'], [`${left}c`, 'text']);
    const kneserNey = train(texts, 2);
    expect(kneserNey.probability('z', 'text', 'c')).toBeGreaterThan(kneserNey.probability('z', 'text', 'b'));
  });

  it('agrees with the formula worked out by hand on a tiny corpus of single characters', () => {
    // Order 1: counts a 2, b 1, end 1; n1 = 2, n2 = 1, so Y = 2 / 4, D1 = 1 − 2·Y·(1/2), D2 = 2 (no n3), kept below its count.
    const unigram = train([['aab', 'text']], 1);
    const [first, second] = [0.5, 1.95];
    const escape = (second + first + first) / 4;
    expect(unigram.probability('', 'text', 'a')).toBeCloseTo((2 - second) / 4 + escape / 0x110001, 12);
    expect(unigram.probability('', 'text', 'b')).toBeCloseTo((1 - first) / 4 + escape / 0x110001, 12);
  });
});

async function* documents(): AsyncGenerator<NgramDocument> {
  yield { id: 'a', specialty: 'tcm', passages: [{ kind: 'text', text: '头痛😀' }] };
  yield {
    id: 'b',
    specialty: null,
    passages: [
      { kind: 'question', text: '头痛' },
      { kind: 'answer', text: '三天' },
      { kind: 'question', text: '医生' },
      { kind: 'answer', text: '头晕。' },
    ],
  };
}

describe('scoring documents', () => {
  it('adds up texts and answers, learning from questions but not scoring them', async () => {
    const trainer = createNgramTrainer();
    await addDocuments(trainer, documents());
    const model = trainer.finish();
    const [first, second] = await scorePassages(model, documents());
    expect(first).toMatchObject({ id: 'a', specialty: 'tcm', characters: 3 });
    expect(second).toMatchObject({ id: 'b', specialty: null, characters: 5 });
    expect(second?.nats).toBeCloseTo(
      model.score('三天', 'answer').nats + model.score('头晕。', 'answer').nats,
      9,
    );
    expect(model.probability('', 'question', '医')).toBeGreaterThan(model.probability('', 'answer', '医'));
  });
});

describe('the n-gram table', () => {
  it('holds what a map holds, through many growths', () => {
    const random = createRandom(4);
    const table = createNgramTable();
    const map = new Map<string, number>();
    for (let step = 0; step < 10_000; step++) {
      const [prefix, symbol] = [random.integer(1000), random.integer(40)];
      const id = table.enter(prefix, symbol);
      table.increment(id);
      map.set(`${prefix} ${symbol}`, (map.get(`${prefix} ${symbol}`) ?? 0) + 1);
    }
    expect(table.size).toBe(map.size);
    for (const [key, count] of map) {
      const [prefix = 0, symbol = 0] = key.split(' ').map(Number);
      const id = table.find(prefix, symbol);
      expect(table.count(id)).toBe(count);
      expect(table.prefix(id)).toBe(prefix);
    }
    expect(table.find(5001, 1)).toBe(ABSENT);
  });
});
