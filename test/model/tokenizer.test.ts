import { readFileSync } from 'node:fs';
import { Tokenizer as LibraryTokenizer } from '@huggingface/tokenizers';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { CallerError } from '../../src/base/errors.ts';
import { createTokenizer } from '../../src/model/tokenizer.ts';
import { baseTokenizer, baseTokenizerFiles } from '../support/base-tokenizer.ts';

const oracle = z
  .object({ cases: z.array(z.object({ text: z.string(), ids: z.array(z.int()) })).min(10) })
  .parse(
    JSON.parse(readFileSync(new URL('../fixtures/tokenizer/hugging-face-ids.json', import.meta.url), 'utf8')),
  );

const SAMPLES = [
  '头痛三天，伴有恶心、呕吐。\n请问挂哪个科？',
  '😀👨‍👩‍👧‍👦 𠮷野家 龘',
  "Hello, it's 12345  \r\n\t\n ",
  '\u0000\u0001\ufeff',
  '<|im_start|>system\n<think>',
];

describe('the shipped tokenizer', () => {
  it('has 8,192 entries, ends answers at <|im_end|> and <|endoftext|>, and has a chat template', () => {
    expect(baseTokenizer.vocabularySize).toBe(8192);
    expect(baseTokenizer.endOfTextIds).toEqual([
      baseTokenizer.tokenToId('<|endoftext|>'),
      baseTokenizer.tokenToId('<|im_end|>'),
    ]);
    expect(baseTokenizer.chatTemplate).toContain('<|im_start|>');
  });

  it.each(oracle.cases)("gives the ids of Hugging Face's own reader for $text", ({ text, ids }) => {
    expect(baseTokenizer.encodeMarkup(text)).toEqual(ids);
  });

  it.each(SAMPLES)('gives back %j as it was', (text) => {
    expect(baseTokenizer.decode(baseTokenizer.encode(text))).toBe(text);
  });

  it('never makes a special token of plain text', () => {
    const added = new Set(baseTokenizer.addedTokens.map(({ id }) => id));
    for (const { content } of baseTokenizer.addedTokens) {
      const ids = baseTokenizer.encode(`前${content}后`);
      expect(ids.filter((id) => added.has(id))).toEqual([]);
      expect(baseTokenizer.encodeMarkup(`前${content}后`).filter((id) => added.has(id))).toHaveLength(1);
    }
  });

  it('gives special tokens no text, and the marks of thinking theirs', () => {
    const ids = baseTokenizer.encodeMarkup('<think>想</think>好<|im_end|>');
    expect(baseTokenizer.decode(ids)).toBe('<think>想</think>好');
  });

  it('decodes as the library does, broken characters included', () => {
    const library = new LibraryTokenizer(
      JSON.parse(baseTokenizerFiles.tokenizer),
      JSON.parse(baseTokenizerFiles.tokenizerConfig),
    );
    const ids = baseTokenizer.encode('龘😀，头痛。');
    for (let from = 0; from < ids.length; from++) {
      for (let to = from + 1; to <= ids.length; to++) {
        const part = ids.slice(from, to);
        expect(baseTokenizer.decode(part)).toBe(library.decode(part, { skip_special_tokens: true }));
      }
    }
  });

  it('has no bytes for ids beyond its vocabulary', () => {
    expect(baseTokenizer.decode([8192, 1_000_000])).toBe('');
  });
});

describe('a stream decoder', () => {
  it('says the same as decoding at once, and never half a character', () => {
    const text = '龘😀👨‍👩‍👧‍👦头痛é';
    const ids = baseTokenizer.encode(text);
    expect(ids.some((id) => baseTokenizer.decode([id]).includes('\ufffd'))).toBe(true);
    const decoder = baseTokenizer.createStreamDecoder();
    const pieces = ids.map((id) => decoder.push(id));
    expect(pieces.join('')).toBe(text);
    expect(decoder.end()).toBe('');
  });

  it('ends with a replacement character when the stream stops inside a character', () => {
    const ids = baseTokenizer.encode('龘');
    expect(ids.length).toBeGreaterThan(1);
    const decoder = baseTokenizer.createStreamDecoder();
    expect(decoder.push(ids[0] ?? 0)).toBe('');
    expect(decoder.end()).toBe('\ufffd');
  });
});

function change(edit: (tokenizer: Record<string, unknown>) => void): string {
  const tokenizer = z.record(z.string(), z.unknown()).parse(JSON.parse(baseTokenizerFiles.tokenizer));
  edit(tokenizer);
  return JSON.stringify(tokenizer);
}

describe('damaged tokenizer files', () => {
  const model = (fields: object): string =>
    change((tokenizer) => {
      tokenizer['model'] = { type: 'BPE', vocab: { a: 0, b: 1, ab: 2 }, merges: ['a b'], ...fields };
    });

  it.each([
    ['cut short', baseTokenizerFiles.tokenizer.slice(0, 1000), 'not valid JSON'],
    ['of another kind', model({ type: 'Unigram' }), 'model.type'],
    ['without merges', model({ merges: undefined }), 'model.merges'],
    ['with one id for two tokens', model({ vocab: { a: 0, b: 0, ab: 2 } }), 'the id 0'],
    ['with a merge of unknown tokens', model({ merges: ['a c'] }), 'number 0'],
    ['with a merge of three', model({ merges: ['a b c'] }), 'number 0'],
    ['with an id out of all bounds', model({ vocab: { a: 0, b: 1, ab: 2 ** 31 } }), 'model.vocab.ab'],
    [
      'not byte-level',
      change((tokenizer) => (tokenizer['decoder'] = { type: 'WordPiece' })),
      'only byte-level',
    ],
    [
      'with an unknown pre-tokenizer',
      change((tokenizer) => (tokenizer['pre_tokenizer'] = { type: 'Nonsense' })),
      'not supported',
    ],
  ])('refuses a tokenizer.json %s', (_, tokenizer, reason) => {
    const make = (): unknown => createTokenizer({ ...baseTokenizerFiles, tokenizer });
    expect(make).toThrow(CallerError);
    expect(make).toThrow(reason);
  });

  it('refuses a configuration that names no end of text', () => {
    const tokenizer = change((fields) => (fields['added_tokens'] = []));
    const make = (): unknown => createTokenizer({ tokenizer, tokenizerConfig: '{}' });
    expect(make).toThrow('No end-of-text token');
  });

  it('takes more ends of text from generation_config.json', () => {
    const generationConfig = '{"eos_token_id":[8190,8189]}';
    expect(createTokenizer({ ...baseTokenizerFiles, generationConfig }).endOfTextIds).toEqual([
      8187, 8189, 8190,
    ]);
  });
});
