/** A buffer of the `wasm` device: a pointer into one of its banks. */
import { invariant } from '../../base/invariant.ts';
import type { DeviceBuffer, Tensor } from '../device.ts';
import { byteSize } from '../validate-dispatch.ts';

export class WasmBuffer implements DeviceBuffer {
  readonly byteLength: number;
  readonly bank: number;
  readonly label: string;
  readonly pointer: number;

  constructor(byteLength: number, bank: number, label: string, pointer: number) {
    this.byteLength = byteLength;
    this.bank = bank;
    this.label = label;
    this.pointer = pointer;
  }
}

export function own(buffer: DeviceBuffer): WasmBuffer {
  invariant(buffer instanceof WasmBuffer, `${buffer.label} is a buffer of another device`);
  return buffer;
}

/** The bank of the largest tensor: the others come to it. */
export function homeBank(tensors: readonly Tensor[]): number {
  let best = tensors[0]!;
  for (const tensor of tensors) if (byteSize(tensor) > byteSize(best)) best = tensor;
  return best.buffer.bank;
}
