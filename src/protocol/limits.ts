/** Every bound on what one caller may send or hold, in one place; those of shards are in shards.ts. */

export const limits = {
  /** JSON body of a chat or completions request. */
  requestBodyBytes: 1024 * 1024,
  messages: 256,
  /** All message contents, or one text prompt, together. */
  promptCharacters: 200_000,
  /** Prompts in one /v1/completions request. */
  prompts: 64,
  /** Token ids in one prompt, before the model's own context length is known. */
  promptTokens: 131_072,
  /** Upper bound of `max_tokens`; the model's context length bounds it further. */
  completionTokens: 131_072,
  stopStrings: 4,
  stopCharacters: 256,
  topLogprobs: 20,
  /** Logarithms in one answer that echoes and scores its prompts: it has to pass through the edge whole. */
  echoedLogprobs: 300_000,
  identifierCharacters: 64,
  /** One server-sent event, decoded. */
  eventCharacters: 1024 * 1024,
} as const;

/** What of a client's `x-request-id` is taken over; anything else is replaced by a fresh one. */
export const requestIdPattern = /^[A-Za-z0-9._:-]{1,128}$/;
