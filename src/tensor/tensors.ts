/** Making tensors: one by one, or many in one buffer (an arena) so that one dispatch can sweep over all of them. */
import { tensorBytes, type StorageType } from '../../kernels/formats.ts';
import type { Device, DeviceBuffer, Tensor } from './device.ts';

/** Offsets in an arena keep every device's alignment (256 bytes). */
const ARENA_ALIGNMENT = 64;

export function elements(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

export function createTensor(
  device: Device,
  label: string,
  shape: readonly number[],
  type: StorageType = 'f32',
): Tensor {
  const byteLength = Math.max(16, tensorBytes(type, elements(shape)));
  return { buffer: device.allocate(byteLength, label), byteOffset: 0, shape, type };
}

export async function writeTensor(
  device: Device,
  tensor: Tensor,
  data: Float32Array | Uint32Array,
): Promise<void> {
  await device.write(tensor.buffer, tensor.byteOffset, data);
}

export async function readTensor(device: Device, tensor: Tensor): Promise<Float32Array> {
  return new Float32Array(await device.read(tensor.buffer, tensor.byteOffset, elements(tensor.shape) * 4));
}

export interface Arena {
  readonly buffer: DeviceBuffer;
  /** Everything, as one flat tensor. */
  readonly whole: Tensor;
  readonly tensors: ReadonlyMap<string, Tensor>;
}

/** Where each tensor of an arena lies, in elements. */
function arenaLayout(shapes: ReadonlyMap<string, readonly number[]>): {
  offsets: ReadonlyMap<string, number>;
  length: number;
} {
  const offsets = new Map<string, number>();
  let at = 0;
  for (const [name, shape] of shapes) {
    offsets.set(name, at);
    at += Math.ceil(elements(shape) / ARENA_ALIGNMENT) * ARENA_ALIGNMENT;
  }
  return { offsets, length: at };
}

export function createArena(
  device: Device,
  label: string,
  shapes: ReadonlyMap<string, readonly number[]>,
): Arena {
  const { offsets, length } = arenaLayout(shapes);
  const whole = createTensor(device, label, [length]);
  const tensors = new Map<string, Tensor>();
  for (const [name, shape] of shapes) {
    const byteOffset = (offsets.get(name) ?? 0) * 4;
    tensors.set(name, { buffer: whole.buffer, byteOffset, shape, type: 'f32' });
  }
  return { buffer: whole.buffer, whole, tensors };
}
