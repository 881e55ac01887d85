/** What the engine asks of a model: token ids and page tables in, logits out. It knows neither text nor requests. */

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
}
