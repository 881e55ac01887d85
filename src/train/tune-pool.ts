/** The experts of a fine-tuning run: whose they are, which are active for a specialty, and the sizes that follow. */
import { ADAPTED_LINEARS, FFN_LINEARS } from '../base/shard-tensors.ts';
import type { Adapted } from '../model/parameters.ts';
import type { ExpertPoolShape } from './network/activations.ts';
import { poolShape } from './shard-routes.ts';
import type { ActiveShards, ShardPool } from './shard-routes.ts';
import type { ExpertsMethod, TuneRunConfig } from './tune-config.ts';

/** Name that the one shard of a shared pool has as a file. */
const SHARED = 'shared';

/** The base alone. */
export const NO_SHARDS: ActiveShards = { shards: [], priors: [] };

export interface TunePool {
  readonly pool: ShardPool;
  readonly shape: ExpertPoolShape;
  readonly method: ExpertsMethod;
  /** Of the trained shards, in the order of their slots; frozen ones come after them. */
  readonly names: readonly string[];
  /** Slots of trained experts; those after them are frozen. */
  readonly trainedSlots: number;
}

/** Null where the base itself is trained. */
export function tunePool({ method, specialties, frozen = [], rows }: TuneRunConfig): TunePool | null {
  if (method.kind === 'full') return null;
  const names = method.pool === 'shared' ? [SHARED] : specialties;
  const { experts, topK, rank } = method;
  const pool: ShardPool = { shards: names.length + frozen.length, experts, topK };
  const shape = poolShape(pool, rank, rows, adaptedOf(method));
  return { pool, shape, method, names, trainedSlots: names.length * experts };
}

/** In the order of files, whatever the config's. */
function adaptedOf({ adapted }: ExpertsMethod): readonly Adapted[] {
  return adapted ? ADAPTED_LINEARS.filter((linear) => adapted.includes(linear)) : FFN_LINEARS;
}

/** What is active for a text of a specialty, as it is served: its shard alone, or the shared pool, or nothing but the base. */
export function routeOf(config: TuneRunConfig, specialty: string): ActiveShards {
  const pool = tunePool(config);
  if (!pool) return NO_SHARDS;
  const shard = pool.method.pool === 'shared' ? 0 : pool.names.indexOf(specialty);
  return shard < 0 ? NO_SHARDS : { shards: [shard], priors: [1] };
}
