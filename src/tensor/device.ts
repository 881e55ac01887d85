/**
 * The seam between models and hardware. Everything above asks for buffers and submits dispatches of kernels; everything
 * below (`reference`, `wasm`, `webgpu`) decides where bytes live and who computes. It is asynchronous, buffers are
 * opaque, one submission carries many dispatches, and memory comes in *banks*, since a WebAssembly memory ends at 4 GiB
 * and a GPU binding earlier. A dispatch may bind tensors of several banks: the device moves the small ones.
 */
import type { InternalError } from '../base/errors.ts';
import type { StorageType } from '../../kernels/formats.ts';
import type { KernelSpec } from '../../kernels/kernel.ts';

export { NONE } from '../../kernels/kernel.ts';

export interface DeviceBuffer {
  readonly byteLength: number;
  readonly bank: number;
  readonly label: string;
}

/** A row-major view of a buffer. `byteOffset` is a multiple of 16 (256 where the device is `webgpu`). */
export interface Tensor {
  readonly buffer: DeviceBuffer;
  readonly byteOffset: number;
  readonly shape: readonly number[];
  readonly type: StorageType;
}

export interface Dispatch {
  readonly kernel: KernelSpec;
  readonly bindings: Readonly<Record<string, Tensor>>;
  readonly params: Readonly<Record<string, number>>;
}

export interface DeviceMemory {
  readonly banks: number;
  readonly allocatedBytes: number;
  readonly peakBytes: number;
}

export interface Device {
  readonly kind: 'reference' | 'wasm' | 'webgpu';
  /** For people: threads, adapter, features. */
  readonly description: string;
  /** Alignment of `Tensor.byteOffset` in bytes. */
  readonly offsetAlignment: number;
  /** Resolves with the reason when the device is gone for good; absent where nothing can take it away. */
  readonly lost?: Promise<InternalError>;
  /** Zeroed memory. Throws `InternalError('out_of_memory')`, or the next call does that is given the device. */
  allocate(byteLength: number, label: string): DeviceBuffer;
  free(buffer: DeviceBuffer): void;
  /** Ordered after everything submitted before it. */
  write(buffer: DeviceBuffer, byteOffset: number, data: ArrayBufferView): Promise<void>;
  /** Ordered after everything submitted before it. Returns a copy. */
  read(buffer: DeviceBuffer, byteOffset: number, byteLength: number): Promise<ArrayBuffer>;
  /** Runs the dispatches in order; resolves when the last one is done. */
  submit(dispatches: readonly Dispatch[]): Promise<void>;
  /**
   * Compiles what dispatches like this one need, at any number of tokens, so that none of it is left to fail or to take
   * time later. Rejects with `InternalError('shader_invalid')`. Absent where nothing is compiled.
   */
  compile?(dispatch: Dispatch): Promise<void>;
  memory(): DeviceMemory;
  dispose(): Promise<void>;
}
