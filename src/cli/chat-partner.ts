/** What `sparsedoctor chat` talks with: an engine in this process, or a server. */
export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

export interface ChatSampling {
  readonly maxTokens: number;
  /** Undefined: as the model's authors want it sampled. */
  readonly temperature: number | undefined;
  readonly topP: number | undefined;
  readonly seed: number | undefined;
}

/** One piece of an answer, or what can be said of it at the end. */
export type ChatPiece =
  | { readonly kind: 'text'; readonly text: string }
  | {
      readonly kind: 'end';
      readonly promptTokens: number;
      readonly answerTokens: number;
      readonly note: string;
    };

export interface ChatPartner {
  readonly description: string;
  answer(
    messages: readonly ChatMessage[],
    sampling: ChatSampling,
    signal: AbortSignal,
  ): AsyncIterable<ChatPiece>;
  close(): Promise<void>;
}
