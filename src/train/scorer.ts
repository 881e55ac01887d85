/**
 * Log-likelihoods of many short texts at once, by the training network's forward pass: windows are packed several to a
 * row, each row with the shards that its windows ask for.
 */
import { invariant } from '../base/invariant.ts';
import { ADAPTED_LINEARS } from '../base/shard-tensors.ts';
import type { Adapted } from '../model/parameters.ts';
import type { Checkpoint } from '../model/checkpoint.ts';
import type { ShardFile } from '../model/shard-file.ts';
import { NONE } from '../tensor/device.ts';
import type { Device } from '../tensor/device.ts';
import { stackRows } from './batches.ts';
import type { PackedRow } from './data/packing.ts';
import { TrainingNetwork } from './network/network.ts';
import { batchRoutes, poolShape } from './shard-routes.ts';
import type { ActiveShards, ShardPool } from './shard-routes.ts';
import { scoreBatch } from './trainer.ts';
import type { BatchRoutes } from './trainer.ts';
import { NO_SHARDS } from './tune-pool.ts';
import { loadBase, loadShards } from './tune-weights.ts';

export interface ScoringWindow {
  readonly ids: readonly number[];
  /** 1 for tokens to score; never the first. */
  readonly mask: Uint8Array;
}

export interface ScorerOptions {
  readonly rows: number;
  readonly rowLength: number;
}

export class Scorer {
  readonly #device: Device;
  readonly #network: TrainingNetwork;
  readonly #pool: ShardPool | null;

  private constructor(device: Device, network: TrainingNetwork, pool: ShardPool | null) {
    this.#device = device;
    this.#network = network;
    this.#pool = pool;
  }

  /**
   * From files: a checkpoint, and shards that agree in experts, rank and top-k, as those of one run do. Without shards the
   * base alone is scored.
   */
  static async create(
    device: Device,
    checkpoint: Checkpoint,
    shards: readonly ShardFile[],
    options: ScorerOptions,
  ): Promise<Scorer> {
    const { rows: B, rowLength: T } = options;
    const pool = shards.length > 0 ? poolOf(shards) : null;
    const network = new TrainingNetwork(device, {
      config: checkpoint.config,
      batch: { B, T },
      trainBase: pool === null,
      experts: pool && poolShape(pool, shards[0]!.metadata.rank, B, adaptedBy(shards)),
    });
    await network.prepare();
    await loadBase(device, network, checkpoint);
    if (pool) await loadShards(device, network, shards);
    return new Scorer(device, network, pool);
  }

  /** A network as it is being trained, whatever the method; allocates nothing. `pool`: null where the base is trained. */
  static of(device: Device, network: TrainingNetwork, pool: ShardPool | null): Scorer {
    return new Scorer(device, network, pool);
  }

  /** Minus the summed natural log-probability of each window's marked tokens, with these shards active. */
  async score(
    windows: readonly ScoringWindow[],
    active: readonly ActiveShards[],
    onProgress: (done: number) => void = () => {},
  ): Promise<number[]> {
    const { B, T } = this.#network.options.batch;
    const rows = packWindows(windows, active, T);
    const sums = windows.map(() => 0);
    let done = 0;
    for (let from = 0; from < rows.length; from += B) {
      const part = rows.slice(from, from + B);
      const full = Array.from({ length: B }, (_, row) => part[row] ?? part[0]!);
      const batch = stackRows(full.map((row) => layOut(row, windows, T)));
      const routes = this.#routes(full.map((row) => row.active));
      const losses = await scoreBatch(this.#device, this.#network, { ...batch, ...routes });
      for (const [index, row] of part.entries()) {
        for (const { window, at } of row.places) {
          const length = windows[window]!.ids.length;
          const start = index * T + at;
          for (const loss of losses.subarray(start, start + length))
            sums[window] = (sums[window] ?? 0) + loss;
        }
        done += row.places.length;
      }
      onProgress(done);
    }
    return sums;
  }

  #routes(active: readonly ActiveShards[]): { routes?: BatchRoutes } {
    const { batch, experts } = this.#network.options;
    if (this.#pool && experts) return { routes: batchRoutes(active, batch.T, this.#pool, experts) };
    const isBase = active.every(({ shards }) => shards.length === 0);
    invariant(isBase, 'a scorer without shards has none to make active');
    return {};
  }
}

function poolOf(shards: readonly ShardFile[]): ShardPool {
  const { experts, metadata } = shards[0]!;
  for (const other of shards) {
    const { rank, topK } = other.metadata;
    const same = rank === metadata.rank && topK === metadata.topK && other.experts === experts;
    invariant(same, 'shards of one scorer agree in experts, rank and top-k');
  }
  return { shards: shards.length, experts, topK: metadata.topK };
}

/** Linears that any of the shards adapts. */
function adaptedBy(shards: readonly ShardFile[]): readonly Adapted[] {
  const layers = shards.flatMap((shard) => shard.layers);
  return ADAPTED_LINEARS.filter((linear) => layers.some(({ linears }) => linears[linear]));
}

interface WindowRow {
  readonly active: ActiveShards;
  readonly places: { readonly window: number; readonly at: number }[];
  length: number;
}

/** First fit in order of length, among rows with the same shards. */
function packWindows(
  windows: readonly ScoringWindow[],
  active: readonly ActiveShards[],
  T: number,
): WindowRow[] {
  const byShards = new Map<string, WindowRow[]>();
  const order = windows.map((_, index) => index);
  order.sort((a, b) => (windows[b]?.ids.length ?? 0) - (windows[a]?.ids.length ?? 0));
  for (const window of order) {
    const { length } = windows[window]!.ids;
    invariant(length <= T, `a window of ${length} tokens; rows have ${T}`);
    const shards = active[window] ?? NO_SHARDS;
    const key = JSON.stringify(shards);
    const rows = byShards.get(key) ?? [];
    byShards.set(key, rows);
    let row = rows.find((candidate) => candidate.length + length <= T);
    if (!row) rows.push((row = { active: shards, places: [], length: 0 }));
    row.places.push({ window, at: row.length });
    row.length += length;
  }
  return [...byShards.values()].flat();
}

function layOut(row: WindowRow, windows: readonly ScoringWindow[], T: number): PackedRow {
  const tokens = new Uint32Array(T);
  const targets = new Uint32Array(T).fill(NONE);
  const positions = new Uint32Array(T);
  const starts = Uint32Array.from({ length: T }, (_, at) => at);
  for (const { window, at } of row.places) {
    const { ids, mask } = windows[window]!;
    for (const [i, id] of ids.entries()) {
      tokens[at + i] = id;
      positions[at + i] = i;
      starts[at + i] = at;
      if (i > 0 && mask[i] === 1) targets[at + i - 1] = id;
    }
  }
  return { tokens, targets, positions, starts };
}
