/**
 * A byte-level BPE tokenizer read from a Hugging Face tokenizer.json. Encoding is the library's; decoding is by the bytes
 * of the tokens, so that a streamed answer and a whole one come out alike. Works in the browser: text in, no files.
 */
import { Tokenizer as LibraryTokenizer } from '@huggingface/tokenizers';
import { CallerError } from '../base/errors.ts';
import { readSpelling } from './byte-alphabet.ts';
import { readTokenizerFiles, type AddedToken, type TokenizerFiles } from './tokenizer-files.ts';

export type { AddedToken, TokenizerFiles };

export interface Tokenizer {
  /** Ids are below this. A model's own vocabulary may be padded beyond it. */
  readonly vocabularySize: number;
  /** Tokens that text cannot produce, by id. */
  readonly addedTokens: readonly AddedToken[];
  /** Any of these ends an answer. */
  readonly endOfTextIds: readonly number[];
  /** The template of a chat (Jinja), if the files have one. */
  readonly chatTemplate: string | null;
  /** Ids of plain text. Spellings of special tokens in it stay text: they never become the tokens. */
  encode(text: string): number[];
  /** Ids of text written by a template, in which the spellings of added tokens are those tokens. */
  encodeMarkup(text: string): number[];
  /** Text of the ids; special tokens have none, and bytes that form no character give U+FFFD. */
  decode(ids: Iterable<number>): string;
  createStreamDecoder(): StreamDecoder;
  /** Bytes of one token; empty for special tokens and for ids outside the vocabulary. */
  tokenBytes(id: number): Uint8Array;
  /** Spelling of any token, special ones included, in the vocabulary's own letters; null when there is none. */
  tokenToId(spelling: string): number | null;
}

export interface StreamDecoder {
  /** Text that is complete with this token: never half a character. */
  push(id: number): string;
  /** What is left: U+FFFD when the stream ended inside a character. */
  end(): string;
}

const NO_BYTES = new Uint8Array(0);

export function createTokenizer(files: TokenizerFiles): Tokenizer {
  const { description, config, addedTokens, endOfTextTokens, endOfTextIds, chatTemplate } =
    readTokenizerFiles(files);
  // The library finds added tokens in any text it is given. A second one that knows none of them reads what users write.
  const markup = makeLibraryTokenizer(description, config);
  const plain = makeLibraryTokenizer({ ...description, added_tokens: [] }, config);

  const bytes: Uint8Array[] = [];
  const ids = new Map<string, number>(Object.entries(description.model.vocab));
  for (const [spelling, id] of ids) bytes[id] = readSpelling(spelling) ?? NO_BYTES;
  const encoder = new TextEncoder();
  for (const token of addedTokens) {
    ids.set(token.content, token.id);
    bytes[token.id] = token.special ? NO_BYTES : encoder.encode(token.content);
  }
  const tokenBytes = (id: number): Uint8Array => bytes[id] ?? NO_BYTES;

  const createStreamDecoder = (): StreamDecoder => {
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
    return {
      push: (id) => decoder.decode(tokenBytes(id), { stream: true }),
      end: () => decoder.decode(),
    };
  };

  return {
    vocabularySize: bytes.length,
    addedTokens,
    endOfTextIds: resolveEndOfText(endOfTextTokens, endOfTextIds, ids),
    chatTemplate,
    encode: (text) => plain.encode(text),
    encodeMarkup: (text) => markup.encode(text),
    decode(list) {
      const decoder = createStreamDecoder();
      let text = '';
      for (const id of list) text += decoder.push(id);
      return text + decoder.end();
    },
    createStreamDecoder,
    tokenBytes,
    tokenToId: (spelling) => ids.get(spelling) ?? null,
  };
}

/** The one place that touches the library's loosely typed surface. */
function makeLibraryTokenizer(description: object, config: object): { encode(text: string): number[] } {
  let library: LibraryTokenizer;
  try {
    library = new LibraryTokenizer(description, config);
  } catch (cause) {
    throw new CallerError(
      'bad_tokenizer',
      'tokenizer.json cannot be read: it is damaged or uses a part that is not supported.',
      { param: 'tokenizer.json', cause },
    );
  }
  return {
    // Special tokens around the text (BOS and the like) are the template's business.
    encode: (text) => (text === '' ? [] : library.encode(text, { add_special_tokens: false }).ids),
  };
}

function resolveEndOfText(
  tokens: readonly string[],
  listed: readonly number[],
  ids: ReadonlyMap<string, number>,
): readonly number[] {
  const found = new Set(listed);
  for (const token of tokens) {
    const id = ids.get(token);
    if (id !== undefined) found.add(id);
  }
  if (found.size === 0) {
    throw new CallerError(
      'bad_tokenizer',
      'No end-of-text token: name one as eos_token in tokenizer_config.json or eos_token_id in generation_config.json.',
      { param: 'tokenizer_config.json' },
    );
  }
  return [...found].sort((left, right) => left - right);
}
