/**
 * What the engine asks of a model: token ids and page tables in, tokens and logits out. It knows neither text nor
 * requests.
 */

/** An expert shard that lies in the pool; `release` when its last request has ended. */
export interface ResidentShard {
  readonly specialty: string;
  readonly version: string;
  readonly bytes: number;
}

/** The shards of one request and their priors p_s (they need not sum to 1: they are renormalised). Empty: base only. */
export interface Route {
  readonly shards: readonly { readonly shard: ResidentShard; readonly prior: number }[];
}

/** One step of the model over a ragged batch of tokens (prefill chunks and decodes mixed). T tokens. */
export interface ForwardBatch {
  /** [T] token ids. */
  readonly tokens: Uint32Array;
  /** [T] position of each token in its sequence. */
  readonly positions: Uint32Array;
  /** [T] row of `pageTable` that holds the token's sequence. */
  readonly sequences: Uint32Array;
  /** [rows, maxPages] page numbers of the KV cache. */
  readonly pageTable: Uint32Array;
  readonly maxPages: number;
  /** [T] index into `routes`. */
  readonly routeOfToken: Uint32Array;
  readonly routes: readonly Route[];
  /** Indexes into the batch of the tokens whose logits are wanted, ascending. */
  readonly logitRows: Uint32Array;
}

/** How the next token is chosen from its logits. Order: penalties, temperature, min-p, top-k, top-p. */
export interface SamplingSettings {
  /** 0: greedy. */
  readonly temperature: number;
  /** 1: off. */
  readonly topP: number;
  /** 0: off. */
  readonly topK: number;
  /** Drops tokens less likely than this share of the likeliest. 0: off. */
  readonly minP: number;
  /** Subtracted from the logits of tokens generated before, once each. */
  readonly presencePenalty: number;
  /** Subtracted for every time a token was generated before. */
  readonly frequencyPenalty: number;
  /** Divides positive and multiplies negative logits of tokens seen in prompt or answer. 1: off. */
  readonly repetitionPenalty: number;
}

/** One token to choose. */
export interface TokenDraw {
  /** Index into the batch of the token that it follows. */
  readonly after: number;
  readonly sampling: SamplingSettings;
  /** In [0, 1): falls on one token of what truncation leaves, in the order of ids. */
  readonly uniform: number;
  /** [n, 2] what penalties are for: tokens, each once, and how often each was generated. Empty without penalties. */
  readonly seen: Uint32Array;
}

export interface StepBatch extends ForwardBatch {
  /** `logitRows` need not have the rows of these. */
  readonly draws: readonly TokenDraw[];
  /**
   * The tokens are those that the step before draws, in that order: `tokens` is not read, and has as many. What the draws
   * have seen lacks them.
   */
  readonly carried: boolean;
}

/** In the place of a token whose logits are not finite. */
export const NO_TOKEN = 0xffffffff;

export interface StepResult {
  /** [logitRows.length, vocabularySize] */
  readonly logits: Float32Array;
  /** [draws.length] token ids, or NO_TOKEN. */
  readonly tokens: Uint32Array;
  /** [draws.length] natural logarithms in the model's own distribution, before penalties and temperature. */
  readonly logprobs: Float32Array;
}

export interface ModelRunner {
  readonly vocabularySize: number;
  /** Longest sequence the model was made for. */
  readonly maxPositions: number;
  readonly pageSize: number;
  /** Pages in the KV cache, all layers together counted once. */
  readonly pages: number;
  /** Most tokens in one `forward`. */
  readonly maxBatchTokens: number;
  /** Most different routes in one `forward`; undefined: any number. */
  readonly maxRoutes?: number;
  /** Throws `CallerError` for a route that no batch could take, so that it is refused before it meets others. */
  checkRoute?(route: Route): void;
  /** Returns logits [logitRows.length, vocabularySize]. Calls must not overlap. */
  forward(batch: ForwardBatch): Promise<Float32Array>;
  /** The same, and chooses tokens. Without it, the engine chooses them from logits. */
  step?(batch: StepBatch): Promise<StepResult>;
  /**
   * Behind a step with at most so many draws the next may be called while that one is under way, with its tokens carried
   * over. Undefined: calls must not overlap.
   */
  readonly maxCarried?: number;
}
