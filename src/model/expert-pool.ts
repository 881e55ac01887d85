/**
 * All resident experts of a model in one pool: every layer has S slots of rank R, a shard's experts take any free ones.
 * Shards come and go while the model runs; a slot's bytes are written between two submissions, never during one.
 */
import { CallerError } from '../base/errors.ts';
import { invariant } from '../base/invariant.ts';
import type { Device, Tensor } from '../tensor/device.ts';
import { createTensor, elements, writeTensor } from '../tensor/tensors.ts';
import type { ModelConfig } from './config.ts';
import { ADAPTED, expertNames, expertShapes } from './parameters.ts';
import type { ResidentShard } from './runner.ts';
import type { ShardFile } from './shard-file.ts';

export interface ExpertPoolOptions {
  /** Experts that fit, S. */
  readonly slots: number;
  /** Largest rank, R; smaller experts are padded with zeros. */
  readonly rank: number;
}

/** A shard in the pool, with what a route needs to know of it. */
export class PooledShard implements ResidentShard {
  readonly specialty: string;
  readonly version: string;
  readonly bytes: number;
  readonly slots: readonly number[];
  readonly topK: number;

  constructor(name: { specialty: string; version: string }, bytes: number, slots: number[], topK: number) {
    this.specialty = name.specialty;
    this.version = name.version;
    this.bytes = bytes;
    this.slots = slots;
    this.topK = topK;
  }
}

/** The pool's own view of a shard that it handed out. */
export function pooled(shard: ResidentShard): PooledShard {
  invariant(shard instanceof PooledShard, `${shard.specialty} was not loaded by a pool`);
  return shard;
}

export class ExpertPool {
  readonly rank: number;
  /** [S] alpha / rank of each slot. */
  readonly scales: Tensor;
  readonly #device: Device;
  readonly #tensors = new Map<string, Tensor>();
  readonly #config: ModelConfig;
  #free: number[];

  constructor(device: Device, config: ModelConfig, { slots, rank }: ExpertPoolOptions) {
    this.#device = device;
    this.#config = config;
    this.rank = rank;
    for (const [name, shape] of expertShapes(config, slots, rank)) {
      this.#tensors.set(name, createTensor(device, `experts.${name}`, shape));
    }
    this.scales = createTensor(device, 'experts.scales', [slots]);
    this.#free = Array.from({ length: slots }, (_, slot) => slot);
  }

  get freeSlots(): number {
    return this.#free.length;
  }

  tensor(name: string): Tensor {
    const tensor = this.#tensors.get(name);
    invariant(tensor, `the pool has no tensor ${name}`);
    return tensor;
  }

  /** Copies a shard into free slots. Nothing is taken when it does not fit. */
  async load(file: ShardFile): Promise<PooledShard> {
    const { specialty, version, rank, alpha, topK } = file.metadata;
    if (rank > this.rank) {
      throw new CallerError(
        'shard_rank_too_large',
        `Shard ${specialty}@${version} has rank ${rank}; this host's pool takes up to ${this.rank}: raise its expert rank.`,
      );
    }
    if (file.experts > this.#free.length) {
      throw new CallerError(
        'expert_pool_full',
        `Shard ${specialty}@${version} needs ${file.experts} expert slots, ${this.#free.length} are free: retire a shard or raise the number of slots.`,
      );
    }
    const slots = this.#free.splice(0, file.experts);
    let bytes = 0;
    try {
      for (const [expert, slot] of slots.entries()) bytes += await this.#writeExpert(file, expert, slot);
      const scale = new Float32Array([alpha / rank]);
      for (const slot of slots) await this.#device.write(this.scales.buffer, slot * 4, scale);
    } catch (error) {
      this.#free.push(...slots);
      throw error;
    }
    return new PooledShard({ specialty, version }, bytes, slots, topK);
  }

  /** Frees a shard's slots. The caller has seen its last request end. */
  unload(shard: ResidentShard): void {
    const { slots } = pooled(shard);
    invariant(!slots.some((slot) => this.#free.includes(slot)), 'a shard was unloaded twice');
    this.#free.push(...slots);
    this.#free.sort((a, b) => a - b);
  }

  async #writeExpert(file: ShardFile, expert: number, slot: number): Promise<number> {
    const { rank } = file.metadata;
    let bytes = 0;
    for (let layer = 0; layer < this.#config.layers; layer++) {
      const names = expertNames(layer);
      const source = file.layers[layer];
      bytes += await this.#writeRow(names.router, slot, part(source?.router, expert, file.experts));
      for (const linear of ADAPTED) {
        const adapter = source?.linears[linear];
        const a = part(adapter?.A, expert, file.experts);
        const b = part(adapter?.B, expert, file.experts);
        bytes += await this.#writeRow(names.a(linear), slot, a);
        bytes += await this.#writeRow(names.b(linear), slot, b && widenRows(b, rank, this.rank));
      }
    }
    return bytes;
  }

  /** Writes one slot of a tensor, zero beyond what is given: a linear that a shard lacks contributes nothing. */
  async #writeRow(name: string, slot: number, values: Float32Array | undefined): Promise<number> {
    const tensor = this.tensor(name);
    const size = elements(tensor.shape.slice(1));
    const row = new Float32Array(size);
    if (values) row.set(values);
    await writeTensor(
      this.#device,
      { ...tensor, byteOffset: tensor.byteOffset + slot * size * 4, shape: [size] },
      row,
    );
    return row.byteLength;
  }
}

function part(values: Float32Array | undefined, expert: number, experts: number): Float32Array | undefined {
  if (!values) return undefined;
  const size = values.length / experts;
  return values.subarray(expert * size, (expert + 1) * size);
}

/** [out, from] to [out, to], zeros on the right. */
function widenRows(values: Float32Array, from: number, to: number): Float32Array {
  if (from === to) return values;
  const rows = values.length / from;
  const wide = new Float32Array(rows * to);
  for (let row = 0; row < rows; row++) wide.set(values.subarray(row * from, (row + 1) * from), row * to);
  return wide;
}
