/**
 * What a model takes of a device, before any of it is taken: the device here counts what it is asked for and has nothing.
 * So the plan cannot differ from what is allocated.
 */
import { InternalError } from '../base/errors.ts';
import type { Device, DeviceBuffer } from '../tensor/device.ts';

/** All in bytes. */
export interface MemoryPlan {
  readonly weights: number;
  /** Keys and values of all pages. */
  readonly cache: number;
  /** The pool of experts, whether or not shards are in it. */
  readonly experts: number;
  /** What a step computes with, and the logits. */
  readonly work: number;
  readonly total: number;
  /** The largest single buffer: a GPU has a limit for it. */
  readonly largest: { readonly label: string; readonly bytes: number };
}

type Part = 'weights' | 'cache' | 'experts' | 'work';

/** Of labels, by how they begin. */
const parts: readonly (readonly [string, Part])[] = [
  ['cache.', 'cache'],
  ['experts.', 'experts'],
  ['layers.', 'weights'],
  ['embedding', 'weights'],
  ['final_norm', 'weights'],
  ['head', 'weights'],
];

/** `kind`: of the device that the model is for, since some take buffers that others need not. */
export function planMemory(kind: Device['kind'], allocateAll: (device: Device) => void): MemoryPlan {
  const bytes: Record<Part, number> = { weights: 0, cache: 0, experts: 0, work: 0 };
  let largest = { label: '', bytes: 0 };
  const allocate = (byteLength: number, label: string): DeviceBuffer => {
    const part = parts.find(([beginning]) => label.startsWith(beginning))?.[1] ?? 'work';
    bytes[part] += byteLength;
    if (byteLength > largest.bytes) largest = { label, bytes: byteLength };
    return { byteLength, bank: 0, label };
  };
  allocateAll(countingDevice(kind, allocate));
  const total = bytes.weights + bytes.cache + bytes.experts + bytes.work;
  return { ...bytes, total, largest };
}

async function nothing(): Promise<never> {
  throw new InternalError('not_computing', 'this device only counts');
}

function countingDevice(kind: Device['kind'], allocate: Device['allocate']): Device {
  return {
    kind,
    description: 'counts bytes',
    offsetAlignment: 256,
    allocate,
    free: () => {},
    write: nothing,
    read: nothing,
    submit: nothing,
    memory: () => ({ banks: 0, allocatedBytes: 0, peakBytes: 0 }),
    dispose: async () => {},
  };
}
