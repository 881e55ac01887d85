/** From the engine's token events to text: decodes, looks for stop strings, keeps tokens beside the text they made. */
import type { TokenEvent, TokenLogprobs } from '../engine/request.ts';
import type { StreamDecoder } from '../model/tokenizer.ts';
import { createStopFilter } from './stop-filter.ts';

export interface AnswerToken {
  readonly token: number;
  readonly logprobs: TokenLogprobs | null;
  /** Where its text begins, in characters of the answer. */
  readonly offset: number;
}

export type AnswerEvent =
  | { readonly kind: 'prompt'; readonly logprobs: readonly (TokenLogprobs | null)[] }
  /** Tokens whose text is held back come with the text that is shown next. */
  | { readonly kind: 'text'; readonly text: string; readonly tokens: readonly AnswerToken[] }
  | {
      readonly kind: 'finish';
      readonly reason: 'stop' | 'length';
      readonly promptTokens: number;
      readonly completionTokens: number;
      /** The stop token that ended the answer, where logprobs were asked for: it has no text of its own. */
      readonly stopToken?: TokenLogprobs;
    };

/** Always ends with `finish`, or throws. A stop string ends the engine's work too: leaving its loop cancels it. */
export async function* readAnswer(
  events: AsyncIterable<TokenEvent>,
  options: { decoder: StreamDecoder; stop: readonly string[]; promptTokens: number },
): AsyncGenerator<AnswerEvent, void, void> {
  const { decoder, stop, promptTokens } = options;
  const filter = createStopFilter(stop);
  let decoded = 0;
  let shown = 0;
  let count = 0;
  let held: AnswerToken[] = [];
  for await (const event of events) {
    if (event.kind === 'prompt') {
      yield event;
      continue;
    }
    const piece = event.kind === 'token' ? decoder.push(event.token) : decoder.end();
    if (event.kind === 'token') {
      count += 1;
      held.push({ token: event.token, logprobs: event.logprobs, offset: decoded });
    }
    decoded += piece.length;
    const pushed = filter.push(piece);
    const text = event.kind === 'finish' && !pushed.stopped ? pushed.text + filter.end() : pushed.text;
    shown += text.length;
    if (pushed.stopped) {
      const before = held.filter(({ offset }) => offset < shown);
      if (text !== '' || before.length > 0) yield { kind: 'text', text, tokens: before };
      yield { kind: 'finish', reason: 'stop', promptTokens, completionTokens: count };
      return;
    }
    if (text !== '' || (event.kind === 'finish' && held.length > 0)) {
      yield { kind: 'text', text, tokens: held };
      held = [];
    }
    if (event.kind === 'finish') yield event;
  }
}
