/**
 * Log-likelihoods of many short texts at once, by the training network's forward pass: windows are packed several to a
 * row, each row with the shards that its windows ask for.
 */
import { invariant } from '../base/invariant.ts';
import type { Checkpoint } from '../model/checkpoint.ts';
import { ADAPTED, expertNames } from '../model/parameters.ts';
import type { ShardFile } from '../model/shard-file.ts';
import { NONE } from '../tensor/device.ts';
import type { Device } from '../tensor/device.ts';
import { writeTensor } from '../tensor/tensors.ts';
import { stackRows } from './batches.ts';
import type { PackedRow } from './data/packing.ts';
import { TrainingNetwork } from './network/network.ts';
import { batchRoutes, poolShape } from './shard-routes.ts';
import type { ActiveShards, ShardPool } from './shard-routes.ts';
import { scoreBatch } from './trainer.ts';

export interface ScoringWindow {
  readonly ids: readonly number[];
  /** 1 for tokens to score; never the first. */
  readonly mask: Uint8Array;
}

export interface ScorerOptions {
  readonly rows: number;
  readonly rowLength: number;
}

/** The base alone. */
export const NO_SHARDS: ActiveShards = { shards: [], priors: [] };

export class Scorer {
  readonly #device: Device;
  readonly #network: TrainingNetwork;
  readonly #pool: ShardPool;
  readonly #options: ScorerOptions;
  readonly #rank: number;

  private constructor(
    device: Device,
    network: TrainingNetwork,
    pool: ShardPool,
    rank: number,
    options: ScorerOptions,
  ) {
    this.#device = device;
    this.#network = network;
    this.#pool = pool;
    this.#rank = rank;
    this.#options = options;
  }

  /** The shards must agree in experts, rank and top-k, as those of one run do. */
  static async create(
    device: Device,
    checkpoint: Checkpoint,
    shards: readonly ShardFile[],
    options: ScorerOptions,
  ): Promise<Scorer> {
    const first = shards[0];
    invariant(first, 'a scorer needs a shard');
    const { rank, topK } = first.metadata;
    const pool = { shards: shards.length, experts: first.experts, topK };
    for (const { metadata, experts } of shards) {
      const same = metadata.rank === rank && metadata.topK === topK && experts === pool.experts;
      invariant(same, 'shards of one scorer agree in experts, rank and top-k');
    }
    const { rows: B, rowLength: T } = options;
    const network = new TrainingNetwork(device, {
      config: checkpoint.config,
      batch: { B, T },
      trainBase: false,
      experts: poolShape(pool, rank, B),
    });
    await network.prepare();
    for (const [name, tensor] of network.frozen?.tensors ?? []) {
      await writeTensor(device, tensor, await checkpoint.tensor(name));
    }
    await loadShards(device, network, shards);
    return new Scorer(device, network, pool, rank, options);
  }

  /** Minus the summed natural log-probability of each window's marked tokens, with these shards active. */
  async score(
    windows: readonly ScoringWindow[],
    active: readonly ActiveShards[],
    onProgress: (done: number) => void = () => {},
  ): Promise<number[]> {
    const { rows: B, rowLength: T } = this.#options;
    const rows = packWindows(windows, active, T);
    const sums = windows.map(() => 0);
    const shape = poolShape(this.#pool, this.#rank, B);
    let done = 0;
    for (let from = 0; from < rows.length; from += B) {
      const part = rows.slice(from, from + B);
      const full = Array.from({ length: B }, (_, row) => part[row] ?? part[0]!);
      const routes = batchRoutes(
        full.map((row) => row.active),
        T,
        this.#pool,
        shape,
      );
      const batch = { ...stackRows(full.map((row) => layOut(row, windows, T))), routes };
      const losses = await scoreBatch(this.#device, this.#network, batch);
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

async function loadShards(
  device: Device,
  network: TrainingNetwork,
  shards: readonly ShardFile[],
): Promise<void> {
  for (let layer = 0; layer < (shards[0]?.layers.length ?? 0); layer++) {
    const names = expertNames(layer);
    await load(names.router, (shard) => shard.layers[layer]?.router);
    for (const linear of ADAPTED) {
      await load(names.a(linear), (shard) => shard.layers[layer]?.linears[linear]?.A);
      await load(names.b(linear), (shard) => shard.layers[layer]?.linears[linear]?.B);
    }
  }
  const scales = shards.flatMap(({ experts, metadata }) =>
    Array.from({ length: experts }, () => metadata.alpha / metadata.rank),
  );
  if (network.scales) await writeTensor(device, network.scales, new Float32Array(scales));

  async function load(name: string, values: (shard: ShardFile) => Float32Array | undefined): Promise<void> {
    const tensor = network.trained.tensors.get(name);
    invariant(tensor, `no tensor ${name}`);
    for (const [index, shard] of shards.entries()) {
      const part = values(shard);
      if (!part) continue;
      const byteOffset = tensor.byteOffset + index * part.byteLength;
      await writeTensor(device, { ...tensor, byteOffset, shape: [part.length] }, part);
    }
  }
}
