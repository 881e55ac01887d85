/**
 * Splits text into the pieces that merges may not cross, by the pattern of Qwen2 and Qwen3: letters with at most one
 * leading mark, single digits, runs of marks, white space. The same string goes into tokenizer.json, and the same library
 * that will read it there splits here.
 */
import { Tokenizer as LibraryTokenizer } from '@huggingface/tokenizers';
import { invariant } from '../../base/invariant.ts';

/** In the syntax of tokenizer.json (Oniguruma). */
const SPLIT_PATTERN =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

export const SPLIT_CONFIG = {
  type: 'Split',
  pattern: { Regex: SPLIT_PATTERN },
  behavior: 'Isolated',
  invert: false,
} as const;

/** How often each piece occurs in the texts. */
export function countPieces(texts: Iterable<string>): Map<string, number> {
  const split = createSplitter();
  const counts = new Map<string, number>();
  for (const text of texts) {
    for (const piece of split(text)) counts.set(piece, (counts.get(piece) ?? 0) + 1);
  }
  return counts;
}

/** The library exports its pre-tokenizers without types, so it is reached through a tokenizer that has no tokens. */
function createSplitter(): (text: string) => string[] {
  const library = new LibraryTokenizer(
    {
      model: { type: 'BPE', vocab: {}, merges: [] },
      added_tokens: [],
      normalizer: null,
      pre_tokenizer: SPLIT_CONFIG,
      post_processor: null,
      decoder: null,
    },
    {},
  );
  const preTokenizer: { pre_tokenize_text(text: string): string[] } | null = library.pre_tokenizer;
  invariant(preTokenizer !== null, 'the library made no pre-tokenizer');
  return (text) => preTokenizer.pre_tokenize_text(text);
}
