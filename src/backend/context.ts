/** What every route of the host works with. */
import type { Logger } from '../base/logger.ts';
import type { Engine } from '../engine/engine.ts';
import type { ChatEncoder } from '../model/chat-template.ts';
import type { SamplingDefaults } from '../model/sampling-defaults.ts';
import type { Tokenizer } from '../model/tokenizer.ts';
import type { Admission } from './admission.ts';
import type { HostMetrics } from './metrics.ts';
import type { ShardStore } from './shard-store.ts';
import type { TokenText } from './token-text.ts';

export interface HostContext {
  readonly engine: Engine;
  readonly tokenizer: Tokenizer;
  readonly tokenText: TokenText;
  readonly chat: ChatEncoder;
  readonly shards: ShardStore;
  readonly admission: Admission;
  readonly metrics: HostMetrics;
  readonly logger: Logger;
  /** `max_tokens` of chat requests that name none; the context length may allow less. */
  readonly defaultMaxTokens: number;
  /** How the model is sampled where a request does not say. */
  readonly samplingDefaults: SamplingDefaults;
  readonly heartbeatMs: number;
  /** Further variables of the chat template. */
  readonly templateVariables: Readonly<Record<string, unknown>>;
}

/** Variables of the Hono context. */
export interface HostEnvironment {
  Variables: { requestId: string };
}
