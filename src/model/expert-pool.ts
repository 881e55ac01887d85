/**
 * All resident experts of a model in one pool: every layer has S slots of rank R, a shard's experts take any free ones.
 * Shards come and go while the model runs; a slot's bytes are written between two submissions, never during one.
 */
import { CallerError } from '../base/errors.ts';
import { invariant } from '../base/invariant.ts';
import type { Device, Tensor } from '../tensor/device.ts';
import { UnstorableValueError, writePart, type NumberFormat } from '../tensor/formats.ts';
import { createTensor, elements } from '../tensor/tensors.ts';
import type { ModelConfig } from './config.ts';
import type { Adapted } from './parameters.ts';
import type { ResidentShard } from './runner.ts';
import type { ShardFile } from './shard-file.ts';

export interface ExpertPoolOptions {
  /** Experts that fit, S. */
  readonly slots: number;
  /** Largest rank, R; smaller experts are padded with zeros. */
  readonly rank: number;
}

/** One layer's slots. Gate and up, which read the same input, lie together: one dispatch serves both. */
export interface ExpertLayer {
  /** [S, C] */
  readonly router: Tensor;
  /** [S, 2, R, C], of gate and up. */
  readonly gateUpA: Tensor;
  /** [S, 2, F, R] */
  readonly gateUpB: Tensor;
  /** [S, R, F] */
  readonly downA: Tensor;
  /** [S, C, R] */
  readonly downB: Tensor;
}

export function createExpertLayer(
  device: Device,
  { hiddenSize: C, intermediateSize: F }: ModelConfig,
  { slots: S, rank: R }: ExpertPoolOptions,
  layer: number,
  format: NumberFormat,
): ExpertLayer {
  const make = (name: string, type: NumberFormat, ...shape: number[]): Tensor =>
    createTensor(device, `experts.${layer}.${name}`, shape, type);
  return {
    router: make('router', 'f32', S, C),
    gateUpA: make('gate_up_a', format, S, 2, R, C),
    gateUpB: make('gate_up_b', format, S, 2, F, R),
    downA: make('down_a', format, S, R, F),
    downB: make('down_b', format, S, C, R),
  };
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
  readonly layers: readonly ExpertLayer[];
  /** [S] alpha / rank of each slot. */
  readonly scales: Tensor;
  readonly #device: Device;
  #free: number[];

  constructor(device: Device, layers: readonly ExpertLayer[], { slots, rank }: ExpertPoolOptions) {
    this.#device = device;
    this.layers = layers;
    this.rank = rank;
    this.scales = createTensor(device, 'experts.scales', [slots]);
    this.#free = Array.from({ length: slots }, (_, slot) => slot);
  }

  get freeSlots(): number {
    return this.#free.length;
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
      if (!(error instanceof UnstorableValueError)) throw error;
      const message = `Shard ${specialty}@${version} does not fit this host's experts: ${error.message}. Use f32 experts.`;
      throw new CallerError('shard_out_of_range', message, { cause: error });
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
    for (const [layer, tensors] of this.layers.entries()) {
      const source = file.layers[layer];
      const a = (linear: Adapted) => part(source?.linears[linear]?.A, expert, file.experts);
      const b = (linear: Adapted) => {
        const values = part(source?.linears[linear]?.B, expert, file.experts);
        return values && widenRows(values, rank, this.rank);
      };
      bytes += await this.#writeSlot(tensors.router, slot, part(source?.router, expert, file.experts));
      bytes += await this.#writeSlot(tensors.gateUpA, slot, a('gate_proj'), a('up_proj'));
      bytes += await this.#writeSlot(tensors.gateUpB, slot, b('gate_proj'), b('up_proj'));
      bytes += await this.#writeSlot(tensors.downA, slot, a('down_proj'));
      bytes += await this.#writeSlot(tensors.downB, slot, b('down_proj'));
    }
    return bytes;
  }

  /**
   * Writes one slot of a tensor, in as many equal parts as are given, zero beyond the values of each: a smaller rank is
   * padded, and a linear that a shard lacks contributes nothing.
   */
  async #writeSlot(
    tensor: Tensor,
    slot: number,
    ...parts: readonly (Float32Array | undefined)[]
  ): Promise<number> {
    const size = elements(tensor.shape.slice(1));
    const row = new Float32Array(size);
    for (const [index, values] of parts.entries()) if (values) row.set(values, (index * size) / parts.length);
    return writePart(this.#device, tensor, row, slot * size);
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
