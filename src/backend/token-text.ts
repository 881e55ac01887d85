/** How single tokens are shown beside their log probabilities. Half a character has no text, but it has bytes. */
import type { TokenLogprob } from '../protocol/chat.ts';
import type { Tokenizer } from '../model/tokenizer.ts';

export interface TokenText {
  /** Text of a token alone; `bytes:\xe5\x8f` where it is no whole text, the spelling where it is a special token. */
  text(token: number): string;
  /** A token as chat logprobs list it. */
  describe(token: number, logprob: number): TokenLogprob;
}

/** JSON has no -Infinity; OpenAI shows such tokens with this value. */
const leastLogprob = -9999;

export function createTokenText(tokenizer: Tokenizer): TokenText {
  const special = new Map(
    tokenizer.addedTokens.filter((token) => token.special).map((token) => [token.id, token.content]),
  );
  const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const text = (token: number): string => {
    const bytes = tokenizer.tokenBytes(token);
    if (bytes.length === 0) return special.get(token) ?? `token:${token}`;
    try {
      return strict.decode(bytes);
    } catch {
      return `bytes:${Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')}`;
    }
  };
  return {
    text,
    describe: (token, logprob) => {
      const bytes = tokenizer.tokenBytes(token);
      return {
        token: text(token),
        logprob: finiteLogprob(logprob),
        bytes: bytes.length === 0 ? null : [...bytes],
      };
    },
  };
}

export function finiteLogprob(logprob: number): number {
  return Math.max(logprob, leastLogprob);
}
