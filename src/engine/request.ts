/** What is asked of the engine and what it answers: token ids only, no text. */
import type { Route, SamplingSettings } from '../model/runner.ts';

export interface Sampling extends SamplingSettings {
  /** Same seed, same tokens, whoever shares the batch. Undefined: drawn by the engine. */
  readonly seed: number | undefined;
}

export const greedy: Sampling = {
  temperature: 0,
  topP: 1,
  topK: 0,
  minP: 0,
  presencePenalty: 0,
  frequencyPenalty: 0,
  repetitionPenalty: 1,
  seed: undefined,
};

export interface GenerateRequest {
  readonly prompt: Uint32Array;
  /** Tokens to generate at most; the context length may end it earlier. 0 only scores the prompt. */
  readonly maxTokens: number;
  readonly sampling: Sampling;
  /** A token of this list ends the answer and is not delivered. */
  readonly stopTokens: readonly number[];
  readonly route: Route;
  /** Log probabilities of the prompt's tokens, with this many alternatives each. */
  readonly promptLogprobs?: number;
  /** Log probabilities of generated tokens, with this many alternatives each. */
  readonly logprobs?: number;
  /** Called once, when no forward pass will read the route any more: later than the events' end after an abort. */
  readonly onReleased?: () => void;
}

/** Natural logarithms of the model's own distribution, before penalties and temperature. */
export interface TokenLogprobs {
  readonly token: number;
  readonly logprob: number;
  /** Likeliest first. */
  readonly top: readonly { readonly token: number; readonly logprob: number }[];
}

export type TokenEvent =
  /** Once, before the first token, where `promptLogprobs` was asked for. The first token has none. */
  | { readonly kind: 'prompt'; readonly logprobs: readonly (TokenLogprobs | null)[] }
  | { readonly kind: 'token'; readonly token: number; readonly logprobs: TokenLogprobs | null }
  /** Always last. `completionTokens` counts a stop token too. */
  | {
      readonly kind: 'finish';
      readonly reason: 'stop' | 'length';
      readonly promptTokens: number;
      readonly completionTokens: number;
      /** The stop token that ended the answer, where `logprobs` was asked for. */
      readonly stopToken?: TokenLogprobs;
    };
