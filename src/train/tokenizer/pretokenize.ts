/**
 * Splits text into the pieces that merges may not cross, by the pattern of Qwen2 and Qwen3: letters with at most one
 * leading mark, single digits, runs of marks, white space. The same string goes into tokenizer.json.
 */

/** In the syntax of tokenizer.json (Oniguruma); readers translate it themselves. */
export const SPLIT_PATTERN =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

/** The same in ECMAScript; the case-insensitive group is spelled out, since not every engine knows `(?i:`. */
const SPLIT_REGEX =
  /'(?:[sS]|[tT]|[rR][eE]|[vV][eE]|[mM]|[lL][lL]|[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+/gu;

/** Pieces of a text, in order; joined they are the text. */
export function pretokenize(text: string): string[] {
  return text.match(SPLIT_REGEX) ?? [];
}

/** How often each piece occurs in the texts. */
export function countPieces(texts: Iterable<string>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const text of texts) {
    for (const piece of pretokenize(text)) counts.set(piece, (counts.get(piece) ?? 0) + 1);
  }
  return counts;
}
