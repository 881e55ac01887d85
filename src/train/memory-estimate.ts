/**
 * What a run will take of memory, before it starts. The training network is built on a device that only counts, so the
 * figures are exact: nothing is allocated after construction (see `network/network.ts`).
 */
import { CallerError } from '../base/errors.ts';
import { invariant } from '../base/invariant.ts';
import type { Device, DeviceBuffer, DeviceMemory } from '../tensor/device.ts';
import { Trainer } from './trainer.ts';
import type { TrainerOptions } from './trainer.ts';

export const MEMORY_PARTS = [
  'frozen weights',
  'trained weights',
  'gradients',
  'optimizer moments',
  'activations',
  'backward scratch',
  'logits',
  'contrast',
  'queue',
  'batch and tables',
] as const;
export type MemoryPart = (typeof MEMORY_PARTS)[number];

export interface MemoryEstimate {
  /** Bytes on the device, by part; 0 where a run has none of it. */
  readonly parts: Readonly<Record<MemoryPart, number>>;
  /** Sum of the parts: what `Device.memory()` tells of the run from its first to its last step. */
  readonly deviceBytes: number;
  /** Beside the device, while a checkpoint is written: weights, moments and queue, and the file of them. */
  readonly savingBytes: number;
}

/** Bytes that a trainer of these options takes. Allocates nothing. */
export function estimateMemory(options: TrainerOptions): MemoryEstimate {
  const device = new CountingDevice();
  const trainer = new Trainer(device, options);
  const parts: Record<MemoryPart, number> = { ...NOTHING };
  for (const { label, byteLength } of device.buffers) parts[partOf(label)] += byteLength;
  const saved = trainer.network.trained.buffer.byteLength * 3 + parts.queue;
  return { parts, deviceBytes: device.memory().allocatedBytes, savingBytes: 2 * saved };
}

/** Throws `CallerError('not_enough_memory')`, with what to lower, where the run needs more than `limitBytes`. */
export function requireMemory(estimate: MemoryEstimate, limitBytes: number): void {
  const needed = estimate.deviceBytes + estimate.savingBytes;
  if (needed <= limitBytes) return;
  const largest = MEMORY_PARTS.reduce((most, part) =>
    estimate.parts[part] > estimate.parts[most] ? part : most,
  );
  throw new CallerError(
    'not_enough_memory',
    `The run needs ${showBytes(needed)} of memory and may take ${showBytes(limitBytes)}. Most goes to ${largest} (${showBytes(estimate.parts[largest])}): ${REMEDIES[largest]}; or raise --memory-limit.`,
  );
}

export function showBytes(bytes: number): string {
  if (bytes >= 2 ** 30) return `${(bytes / 2 ** 30).toFixed(2)} GiB`;
  return bytes >= 2 ** 20 ? `${(bytes / 2 ** 20).toFixed(1)} MiB` : `${(bytes / 2 ** 10).toFixed(1)} KiB`;
}

const NOTHING: Readonly<Record<MemoryPart, number>> = {
  'frozen weights': 0,
  'trained weights': 0,
  gradients: 0,
  'optimizer moments': 0,
  activations: 0,
  'backward scratch': 0,
  logits: 0,
  contrast: 0,
  queue: 0,
  'batch and tables': 0,
};

const FEWER_TOKENS = 'lower rows or rowLength';
const FEWER_WEIGHTS = 'train fewer specialties, or lower experts or rank (of a base: its layers or sizes)';
const REMEDIES: Readonly<Record<MemoryPart, string>> = {
  'frozen weights': 'use a smaller base',
  'trained weights': FEWER_WEIGHTS,
  gradients: FEWER_WEIGHTS,
  'optimizer moments': FEWER_WEIGHTS,
  activations: FEWER_TOKENS,
  'backward scratch': FEWER_TOKENS,
  logits: FEWER_TOKENS,
  contrast: 'lower anchors or dimensions of contrast',
  queue: 'lower queueSize or dimensions of contrast',
  'batch and tables': FEWER_TOKENS,
};

/** By the labels that the network gives its buffers; the first that fits counts. */
const LABELS: readonly (readonly [RegExp, MemoryPart])[] = [
  [/queue/, 'queue'],
  [/contrast/, 'contrast'],
  [/^frozen/, 'frozen weights'],
  [/^trained/, 'trained weights'],
  [/^gradients/, 'gradients'],
  [/^adamw/, 'optimizer moments'],
  [/^(activations|output)/, 'activations'],
  [/^gradient\./, 'backward scratch'],
  [/^logits$/, 'logits'],
];

function partOf(label: string): MemoryPart {
  return LABELS.find(([pattern]) => pattern.test(label))?.[1] ?? 'batch and tables';
}

/** Counts as the `wasm` device does; has no memory and computes nothing. */
class CountingDevice implements Device {
  readonly kind = 'reference';
  readonly description = 'counts bytes';
  readonly offsetAlignment = 16;
  readonly buffers: DeviceBuffer[] = [];
  #allocated = 0;

  allocate(byteLength: number, label: string): DeviceBuffer {
    const buffer: DeviceBuffer = { byteLength, bank: 0, label };
    this.buffers.push(buffer);
    this.#allocated += byteLength;
    return buffer;
  }

  free(): void {
    invariant(false, 'a network in construction frees nothing');
  }

  write(): Promise<void> {
    return Promise.resolve();
  }

  read(): Promise<ArrayBuffer> {
    invariant(false, 'a device that counts cannot be read');
  }

  submit(): Promise<void> {
    return Promise.resolve();
  }

  memory(): DeviceMemory {
    return { banks: 1, allocatedBytes: this.#allocated, peakBytes: this.#allocated };
  }

  async dispose(): Promise<void> {}
}
