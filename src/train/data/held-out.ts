/**
 * Held-out documents for measuring bits per character: which tokens count, and how many characters they spell. Every
 * character of a text, every character of an assistant's answers; never a special token.
 */
import { invariant } from '../../base/invariant.ts';
import type { Tokenizer } from '../../model/tokenizer.ts';
import type { EncodedCorpus } from './corpus.ts';
import { countCharacters } from './encode-rows.ts';

export interface HeldOutDocument {
  readonly id: string;
  readonly specialty: string | null;
  readonly characters: number;
  readonly ids: readonly number[];
  readonly mask: Uint8Array;
}

export function makeHeldOutDocuments(corpus: EncodedCorpus, tokenizer: Tokenizer): HeldOutDocument[] {
  const special = new Set(tokenizer.addedTokens.filter((token) => token.special).map(({ id }) => id));
  return corpus.documents.map(({ id, specialty, start, end }) => {
    const ids = [...corpus.tokens.subarray(start, end)];
    const mask = corpus.answers.slice(start, end);
    let text = '';
    const decoder = tokenizer.createStreamDecoder();
    for (const [index, token] of ids.entries()) {
      if (special.has(token)) mask[index] = 0;
      if (mask[index] === 1) text += decoder.push(token);
    }
    text += decoder.end();
    invariant(mask[0] === 0, 'a document begins with a token that is not learnt');
    return { id, specialty, characters: countCharacters(text), ids, mask };
  });
}
