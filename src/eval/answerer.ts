/** What an evaluation asks of a model, whoever computes it: an engine in this process, a trainer, or a server. */

export interface PromptMessage {
  readonly role: 'user' | 'assistant';
  readonly content: string;
}

export type ExamPrompt =
  | { readonly kind: 'text'; readonly text: string }
  /** A chat by the model's own template, in which the assistant has begun its answer with `begun`. */
  | { readonly kind: 'chat'; readonly messages: readonly PromptMessage[]; readonly begun: string };

export interface ScoreRequest {
  /** Named in errors. */
  readonly id: string;
  readonly prompt: ExamPrompt;
  /** At least one; none empty. */
  readonly continuations: readonly string[];
  /** Label of the question, for models that are chosen by it. */
  readonly specialty: string | null;
}

export interface ContinuationScore {
  /** ln p(continuation | prompt), in nats. */
  readonly logLikelihood: number;
  /** Tokens whose logarithms were summed. */
  readonly tokens: number;
}

export interface GenerateRequest {
  readonly id: string;
  readonly prompt: ExamPrompt;
  readonly maxTokens: number;
  readonly specialty: string | null;
}

export interface Answerer {
  /** Which model, and who computes it. */
  readonly description: string;
  /**
   * Scores of each request's continuations, in order. Prompt and continuation are tokenized as one text; every token that
   * reaches beyond the prompt's end counts as the continuation's. Throws `CallerError` where a prompt does not fit.
   */
  scoreContinuations(
    requests: readonly ScoreRequest[],
    onProgress?: (done: number) => void,
  ): Promise<readonly (readonly ContinuationScore[])[]>;
  /** Greedy answers, without the prompt. */
  generate(
    requests: readonly GenerateRequest[],
    onProgress?: (done: number) => void,
  ): Promise<readonly string[]>;
  close(): Promise<void>;
}
