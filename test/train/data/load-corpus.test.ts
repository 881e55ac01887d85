import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { GENERAL, measureParts, selectShardDocuments } from '../../../src/train/data/corpus.ts';
import { readCorpusFile } from '../../../src/train/data/corpus-file.ts';
import { makeHeldOutDocuments } from '../../../src/train/data/held-out.ts';
import { ALL_PARTS, loadCorpus, type CorpusRequest } from '../../../src/train/data/load-corpus.ts';
import { readPassages } from '../../../src/train/data/passages.ts';
import { baseTokenizer, baseTokenizerFiles } from '../../support/base-tokenizer.ts';

const directory = mkdtempSync(join(tmpdir(), 'corpus-'));
afterAll(() => rmSync(directory, { recursive: true }));

const row = (id: string, specialty: string | null, fields: object): string =>
  JSON.stringify({ id, source: 's', license: 'CC0-1.0', specialty, ...fields });
const chat = (question: string, answer: string): object => ({
  messages: [
    { role: 'user', content: question },
    { role: 'assistant', content: answer },
  ],
});

function writePart(part: string, rows: readonly string[]): void {
  mkdirSync(join(directory, part), { recursive: true });
  writeFileSync(join(directory, part, 'train.jsonl.gz'), gzipSync(rows.join('\n')));
}

writePart('pretrain', [
  row('p1', 'tcm', { text: '犀角羚羊角。' }),
  row('p2', null, { text: '龘😀<|endoftext|>' }),
]);
writePart('sft', [
  row('s1', 'neurology', chat(' 头痛\n', '\n休息。 ')),
  row('s2', null, chat('你好', '好。😀')),
]);
writePart('mcq', [
  row('m1', 'neurology', {
    question: '头痛见于',
    options: { B: '偏头痛', A: '骨折' },
    answer: 'B',
    qtype: 'single',
    explanation: ' 略。',
  }),
  row('m2', 'tcm', {
    question: '属补气药的有',
    options: { A: '人参', B: '黄芪' },
    answer: 'AB',
    qtype: 'multi',
  }),
]);

const request: CorpusRequest = {
  dataDirectory: directory,
  split: 'train',
  parts: ALL_PARTS,
  tokenizer: baseTokenizer,
  tokenizerFiles: baseTokenizerFiles,
};
const corpus = await loadCorpus(request);

const markup = (text: string): number[] => baseTokenizer.encodeMarkup(text);
const tokensOf = (id: string): number[] => {
  const document = corpus.documents.find((candidate) => candidate.id === id);
  return [...corpus.tokens.subarray(document?.start, document?.end)];
};
const answersOf = (id: string): string => {
  const document = corpus.documents.find((candidate) => candidate.id === id);
  const { start = 0, end = 0 } = document ?? {};
  return baseTokenizer.decode(
    corpus.tokens.subarray(start, end).filter((_, at) => corpus.answers[start + at] === 1),
  );
};

function chosen(specialty: string): string[] {
  return selectShardDocuments(corpus, specialty).documents.map(({ id }) => id);
}

describe('encoding rows', () => {
  it('puts a text between ends of text, its own spellings of them being text', () => {
    expect(tokensOf('p1')).toEqual(markup('<|endoftext|>犀角羚羊角。<|endoftext|>'));
    const end = baseTokenizer.tokenToId('<|endoftext|>');
    expect(tokensOf('p2').filter((id) => id === end)).toHaveLength(2);
  });

  it('writes a chat by the template, without white space around its messages', () => {
    expect(tokensOf('s1')).toEqual(
      markup('<|im_start|>user\n头痛<|im_end|>\n<|im_start|>assistant\n休息。<|im_end|>\n'),
    );
    expect(answersOf('s1')).toBe('休息。');
  });

  it('writes a question with its options in order and the letters first in its answer', () => {
    expect(baseTokenizer.decode(tokensOf('m1'))).toBe(
      'user\n单选题：头痛见于\nA. 骨折\nB. 偏头痛\nassistant\n答案：B\n解析：略。\n',
    );
    expect(answersOf('m1')).toBe('答案：B\n解析：略。');
    expect(answersOf('m2')).toBe('答案：AB');
    expect(baseTokenizer.decode(tokensOf('m2'))).toContain('多选题：属补气药的有');
  });

  it('counts documents, characters and tokens of each part', () => {
    const parts = measureParts(corpus);
    expect(parts.map(({ part, documents }) => [part, documents])).toEqual([
      ['pretrain', 2],
      ['sft', 2],
      ['mcq', 2],
    ]);
    expect(parts[0]?.characters).toBe(6 + 15);
    expect(parts.reduce((sum, { tokens }) => sum + tokens, 0)).toBe(corpus.tokens.length);
  });
});

describe('choosing documents for a shard', () => {
  it('takes the consultations and questions of the specialty, not its texts', () => {
    expect(chosen('neurology')).toEqual(['s1', 'm1']);
    expect(chosen('tcm')).toEqual(['m2']);
    expect(chosen(GENERAL)).toEqual(['s2']);
  });
});

describe('held-out documents', () => {
  it('mark exactly the characters of texts and answers', () => {
    const documents = makeHeldOutDocuments(corpus, baseTokenizer);
    const scored = documents.map(({ ids, mask }) =>
      baseTokenizer.decode(ids.filter((_, at) => mask[at] === 1)),
    );
    expect(scored).toEqual([
      '犀角羚羊角。',
      '龘😀<|endoftext|>',
      '休息。',
      '好。😀',
      '答案：B\n解析：略。',
      '答案：AB',
    ]);
    expect(documents.map(({ characters }) => characters)).toEqual(
      scored.map((text) => Array.from(text).length),
    );
  });
});

describe('passages', () => {
  it('are the same characters as the held-out documents, and the questions besides', async () => {
    const documents = [];
    for (const part of ALL_PARTS) {
      for await (const document of readPassages({ dataDirectory: directory, part, split: 'train' })) {
        documents.push(document);
      }
    }
    const heldOut = makeHeldOutDocuments(corpus, baseTokenizer);
    expect(documents.map(({ id, specialty }) => [id, specialty])).toEqual(
      heldOut.map(({ id, specialty }) => [id, specialty]),
    );
    for (const [index, { passages }] of documents.entries()) {
      const scored = passages.filter(({ kind }) => kind !== 'question').map(({ text }) => text);
      expect(Array.from(scored.join(''))).toHaveLength(heldOut[index]?.characters ?? 0);
    }
    expect(documents[2]?.passages).toEqual([
      { kind: 'question', text: '头痛' },
      { kind: 'answer', text: '休息。' },
    ]);
  });
});

describe('the corpus cache', () => {
  const cachePath = join(directory, 'cache', 'corpus.bin');
  const cached = (): Promise<typeof corpus> => loadCorpus({ ...request, cachePath });

  it('gives back what was encoded, from the file', async () => {
    expect(await cached()).toEqual(corpus);
    const written = readFileSync(cachePath);
    expect(await cached()).toEqual(corpus);
    expect(readFileSync(cachePath).equals(written)).toBe(true);
  });

  it.each([
    ['damaged', (bytes: Buffer) => bytes.fill(1, bytes.length - 3)],
    ['cut short', (bytes: Buffer) => bytes.subarray(0, bytes.length - 1)],
    ['cut in its header', (bytes: Buffer) => bytes.subarray(0, 40)],
    ['something else', () => Buffer.from('hello')],
  ])('is made anew when the file is %s', async (_, damage) => {
    await cached();
    const whole = readFileSync(cachePath);
    writeFileSync(cachePath, damage(Buffer.from(whole)));
    expect(await cached()).toEqual(corpus);
    expect(readFileSync(cachePath).equals(whole)).toBe(true);
  });

  it('is not used for other data', async () => {
    await cached();
    writePart('sft', [row('s3', null, chat('新', '的'))]);
    expect((await cached()).documents.map(({ id }) => id)).toContain('s3');
    expect(await readCorpusFile(cachePath, 'another')).toBeNull();
  });

  it('names the file that is missing', async () => {
    const missing = loadCorpus({ ...request, cachePath, split: 'valid' });
    await expect(missing).rejects.toMatchObject({ code: 'unreadable_data' });
  });
});

describe('bad rows', () => {
  const folder = join(directory, 'bad');
  const write = (part: string, rows: readonly string[]): void => {
    mkdirSync(join(folder, part), { recursive: true });
    writeFileSync(join(folder, part, 'train.jsonl'), rows.join('\n'));
  };
  write('sft', [row('s1', 'neurology', chat('头痛', '休息')), row('s2', 'alchemy', chat('问', '答'))]);
  write('mcq', [
    row('s1', null, { question: '问', options: { A: '甲', B: '乙' }, answer: 'A', qtype: 'single' }),
  ]);
  writeFileSync(join(folder, 'specialties.json'), '{"specialties":{"neurology":"神经"}}');
  const cachePath = join(folder, 'corpus.bin');
  const bad: CorpusRequest = { ...request, dataDirectory: folder, parts: ['sft', 'mcq'], cachePath };

  it('are told for all parts at once, and nothing is made of them', async () => {
    const error = await loadCorpus(bad).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'bad_data' });
    const message = String(error);
    expect(message).toContain(`${join(folder, 'sft/train.jsonl')}:2 (s2): specialty: unknown`);
    expect(message).toContain(`${join(folder, 'mcq/train.jsonl')}:1 (s1): id: duplicate`);
    expect(message).toContain('2 problems');
    expect(existsSync(cachePath)).toBe(false);
  });

  it('are left out when that is asked for, each time anew', async () => {
    for (let run = 0; run < 2; run++) {
      const told: string[] = [];
      const made = await loadCorpus({ ...bad, onBadRow: ({ reason }) => told.push(reason) });
      expect(made.documents.map(({ id }) => id)).toEqual(['s1']);
      expect(told).toEqual(['specialty: unknown', 'id: duplicate']);
    }
    await expect(loadCorpus(bad)).rejects.toMatchObject({ code: 'bad_data' });
  });

  it('are found in a kept corpus too, when the list of labels has changed', async () => {
    write('sft', [row('s1', 'neurology', chat('头痛', '休息'))]);
    write('mcq', []);
    expect((await loadCorpus(bad)).documents).toHaveLength(1);
    expect(existsSync(cachePath)).toBe(true);
    writeFileSync(join(folder, 'specialties.json'), '{"specialties":{"tcm":"中医"}}');
    await expect(loadCorpus(bad)).rejects.toMatchObject({ code: 'bad_data' });
  });
});
