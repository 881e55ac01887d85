/** What of the measurements fits a GPU's memory: weights first, then the pool of experts, then the cache. */
import { Transformer } from '../../../src/model/transformer.ts';
import { transformerOptions, type ServingSizes } from './serving-model.ts';

/** Of the memory, for what the model's own plan does not know: staging, pipelines, the driver. */
const RESERVED = 0.08;

export interface BenchPlan {
  /** Null where not even the weights fit. */
  readonly shards: number | null;
  readonly pages: number;
  readonly weightBytes: number;
  readonly bytesPerShard: number;
  readonly bytesPerPage: number;
}

/** `shards`: those wanted, of which the most that fit beside `leastPages`; `pages`: wanted, or as many as fit. */
export function planBench(
  sizes: Omit<ServingSizes, 'shards' | 'pages'>,
  memoryBytes: number,
  shards: readonly number[],
  pages: number,
  leastPages: number,
): BenchPlan {
  const planOf = (count: number) =>
    Transformer.plan('webgpu', sizes.config, transformerOptions({ ...sizes, shards: count, pages }));
  const one = planOf(1);
  const bytesPerShard = planOf(2).experts - one.experts;
  const bytesPerPage = one.cache / pages;
  const left = memoryBytes * (1 - RESERVED) - one.weights - one.work;
  const fitting = shards.filter((count) => count * bytesPerShard + leastPages * bytesPerPage <= left);
  const plan = { weightBytes: one.weights, bytesPerShard, bytesPerPage };
  if (fitting.length === 0) return { shards: null, pages: 0, ...plan };
  const most = Math.max(...fitting);
  const room = Math.floor((left - most * bytesPerShard) / bytesPerPage);
  return { shards: most, pages: Math.min(pages, room), ...plan };
}
