/** What the edge says to its router, and what the router answers. */

/** One turn of a conversation as the router sees it: plain text only; other content parts are dropped before. */
export interface RouterMessage {
  readonly role: 'system' | 'developer' | 'user' | 'assistant' | 'tool';
  readonly content: string;
}

export interface SpecialtyProbability {
  readonly specialty: string;
  /** Calibrated and independent per specialty (multi-label): they do not sum to one. */
  readonly probability: number;
}

export interface RouteResult {
  /** Every specialty that the model knows, best first. */
  readonly specialties: readonly SpecialtyProbability[];
  /** Which implementation answered: onnxruntime, or the same model in TypeScript. Both agree to 1e-6. */
  readonly router: 'onnx' | 'fallback';
}

export interface Router {
  route(messages: readonly RouterMessage[]): Promise<RouteResult>;
}

/** A shard to activate for a request, with its prior: a multiple of 1/8, at least 1/8; the priors sum to 1. */
export interface ShardChoice {
  readonly specialty: string;
  readonly prior: number;
}
