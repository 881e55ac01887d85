/** What of the measurements fits a GPU's memory: weights first, then the pool of experts, then the cache. */
import { tensorBytes } from '../../../kernels/formats.ts';
import type { ModelConfig } from '../../../src/model/config.ts';
import { SHARD } from './random-model.ts';
import type { Formats } from './step-model.ts';
import { PAGE_SIZE } from './step-request.ts';

/** Of the memory, for what is neither of the three: activations, logits, staging, the driver. */
const RESERVED = 0.08;

export interface MemoryPlan {
  /** Null where not even the weights fit. */
  readonly shards: number | null;
  readonly pages: number;
  readonly weightBytes: number;
  readonly bytesPerShard: number;
  readonly bytesPerPage: number;
}

/** `shards`: wanted, the fewer if they do not fit beside `leastPages`; `pages`: wanted, or as many as fit. */
export function planMemory(
  config: ModelConfig,
  formats: Formats,
  memoryBytes: number,
  shards: readonly number[],
  pages: number,
  leastPages: number,
): MemoryPlan {
  const { hiddenSize: C, intermediateSize: F, heads, keyValueHeads: KV, headSize: D, layers } = config;
  const weights = (heads + 2 * KV) * D * C + heads * D * C + 3 * F * C;
  const embeddings = (config.tiedHead ? 1 : 2) * config.vocabularySize * C;
  const weightBytes =
    layers * tensorBytes(formats.weights, weights) + tensorBytes(formats.weights, embeddings);
  const expert = 4 * C + tensorBytes(formats.experts, 3 * SHARD.rank * (C + F));
  const bytesPerShard = layers * SHARD.experts * expert;
  const bytesPerPage = layers * 2 * tensorBytes(formats.cache, PAGE_SIZE * KV * D);
  const left = memoryBytes * (1 - RESERVED) - weightBytes;
  const fitting = shards.filter((count) => count * bytesPerShard + leastPages * bytesPerPage <= left);
  if (fitting.length === 0) return { shards: null, pages: 0, weightBytes, bytesPerShard, bytesPerPage };
  const most = Math.max(...fitting);
  const room = Math.floor((left - most * bytesPerShard) / bytesPerPage);
  return { shards: most, pages: Math.min(pages, room), weightBytes, bytesPerShard, bytesPerPage };
}
