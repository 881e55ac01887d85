/** Takes in what a step gave for each sequence: scores of its prompt, its next token, its end. */
import { InternalError } from '../base/errors.ts';
import { NO_TOKEN, type StepResult } from '../model/runner.ts';
import { needsLogits, type ChunkResults } from './batch.ts';
import type { TokenLogprobs } from './request.ts';
import { logprobsOf } from './sampler.ts';
import type { Sequence } from './sequence.ts';

export class Intake {
  readonly #width: number;
  promptTokens = 0;
  generatedTokens = 0;

  constructor(vocabularySize: number) {
    this.#width = vocabularySize;
  }

  /** One sequence's broken numbers end that one alone. */
  take(results: readonly ChunkResults[], result: StepResult): void {
    for (const own of results) {
      try {
        this.#takeChunk(own, result);
      } catch (error) {
        own.chunk.sequence.end(failureOf(error));
      }
    }
  }

  #takeChunk({ chunk, logitRow, scored, draw }: ChunkResults, result: StepResult): void {
    const { sequence, start, count, logitsFrom } = chunk;
    const rowAt = (row: number): Float32Array =>
      result.logits.subarray(row * this.#width, (row + 1) * this.#width);
    const end = start + count;
    this.promptTokens += Math.max(0, Math.min(end, sequence.promptLength) - start);
    sequence.computed = end;
    // Such as one that stopped while this step was under way: its token is surplus.
    if (sequence.ended) return;
    const { request } = sequence;
    for (let index = 0; index < scored; index++) {
      const next = request.prompt[logitsFrom + index + 1]!;
      sequence.promptLogprobs.push(logprobsOf(rowAt(logitRow + index), next, request.promptLogprobs ?? 0));
    }
    if (end < sequence.length) return;
    if (sequence.generated === 0 && request.promptLogprobs !== undefined) {
      sequence.events.push({ kind: 'prompt', logprobs: sequence.promptLogprobs });
    }
    if (draw === undefined) return finish(sequence, 'length');
    const token = result.tokens[draw]!;
    if (token === NO_TOKEN) {
      throw new InternalError('not_finite', 'The model returned logits that are not finite.');
    }
    const chosen = needsLogits(sequence)
      ? logprobsOf(rowAt(logitRow + scored), token, request.logprobs ?? 0)
      : { token, logprob: result.logprobs[draw]!, top: [] };
    this.#takeToken(sequence, chosen);
  }

  #takeToken(sequence: Sequence, chosen: TokenLogprobs): void {
    const { request } = sequence;
    const { token } = chosen;
    sequence.append(token);
    this.generatedTokens += 1;
    const logprobs = request.logprobs === undefined ? null : chosen;
    if (request.stopTokens.includes(token)) return finish(sequence, 'stop', logprobs);
    sequence.events.push({ kind: 'token', token, logprobs });
    if (sequence.length >= sequence.maxLength) finish(sequence, 'length');
  }
}

/** What a request is told when its step failed. */
export function failureOf(error: unknown): InternalError {
  if (error instanceof InternalError) return error;
  return new InternalError('model_failed', 'The model failed on this request.', { cause: error });
}

function finish(sequence: Sequence, reason: 'stop' | 'length', stopToken: TokenLogprobs | null = null): void {
  sequence.end({
    kind: 'finish',
    reason,
    promptTokens: sequence.promptLength,
    completionTokens: sequence.generated,
    ...(stopToken ? { stopToken } : {}),
  });
}
