/** Every bound on what one caller may send or hold, in one place. A limit that both ends must know belongs here. */

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
  /** Shards that one request may name; the token router takes at most four experts from their union. */
  shardsPerRequest: 4,
  identifierCharacters: 64,
  /** One server-sent event, decoded. */
  eventCharacters: 1024 * 1024,
  /** One expert shard file. */
  shardBytes: 64 * 1024 * 1024,
  requestIdCharacters: 128,
} as const;

/** Names of specialties: they appear in model names, paths and file names. */
export const specialtyPattern = /^[a-z0-9][a-z0-9_]{0,63}$/;
export const versionPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
/** What of a client's `x-request-id` is taken over; anything else is replaced by a fresh one. */
export const requestIdPattern = /^[A-Za-z0-9._:-]{1,128}$/;
