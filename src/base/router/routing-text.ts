/**
 * What of a conversation the router reads: the last user turn in full weight, a few earlier user turns as context, all
 * bounded. Answers and system prompts are left out: they would make the router agree with what was chosen before.
 */

import type { TextSegment } from '../hashed-ngrams.ts';
import type { RouterMessage } from './types.ts';

export interface ContextOptions {
  readonly lastTurnCharacters: number;
  readonly earlierTurns: number;
  readonly earlierTurnCharacters: number;
  readonly earlierTurnWeight: number;
}

export function routingSegments(messages: readonly RouterMessage[], options: ContextOptions): TextSegment[] {
  const turns = messages.filter((message) => message.role === 'user').map((message) => message.content);
  const last = turns.pop();
  if (last === undefined) return [];
  const earlier = options.earlierTurns > 0 ? turns.slice(-options.earlierTurns) : [];
  const segments = [
    { text: bounded(last, options.lastTurnCharacters), weight: 1 },
    ...earlier.map((text) => ({
      text: bounded(text, options.earlierTurnCharacters),
      weight: options.earlierTurnWeight,
    })),
  ];
  // Punctuation alone says nothing, but the model would read something into it: no such row was in training.
  return segments.filter(({ text }) => /[\p{L}\p{N}]/u.test(text));
}

/** Two thirds from the start and one from the end: long prompts tell the story first and ask at the end. */
function bounded(text: string, characters: number): string {
  if (text.length <= characters) return text;
  const head = Math.ceil((characters * 2) / 3);
  // A cut may split a surrogate pair.
  return `${text.slice(0, head)} ${text.slice(head - characters)}`.toWellFormed();
}
