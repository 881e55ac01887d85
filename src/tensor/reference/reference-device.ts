/**
 * The device that is obviously right: every kernel's plain TypeScript, one element after the other, no threads. With
 * precision `f64` it is the oracle for models; with `bankBytes` it shows whether the code above survives many banks.
 */
import { decodeTensor } from '../../../kernels/formats-decode.ts';
import { floatToHalf } from '../../../kernels/halves.ts';
import type { Device, DeviceBuffer, DeviceMemory, Dispatch, Tensor } from '../device.ts';
import { InternalError } from '../../base/errors.ts';
import { invariant } from '../../base/invariant.ts';
import { byteSize, elementCount, validateDispatch } from '../validate-dispatch.ts';

export interface ReferenceDeviceOptions {
  /** `f64`: f32 tensors are held and computed as doubles; only `write` and `read` round. Default `f32`. */
  readonly precision?: 'f32' | 'f64';
  /** Size of one bank; no buffer can be larger. Default: 4 GiB. */
  readonly bankBytes?: number;
  /** Most bytes that can be allocated at once. Default: 4 GiB. */
  readonly memoryBytes?: number;
}

export function createReferenceDevice(options: ReferenceDeviceOptions = {}): Device {
  return new ReferenceDevice(options);
}

interface Storage {
  /** What `write` gave and `read` returns, and all u32 tensors. */
  readonly bytes: ArrayBuffer;
  /** The same elements as doubles: all f32 tensors of an `f64` device. */
  readonly wide: Float64Array | null;
}

class ReferenceDevice implements Device {
  readonly kind = 'reference';
  readonly description: string;
  readonly offsetAlignment = 16;
  readonly #precision: 'f32' | 'f64';
  readonly #bankBytes: number;
  readonly #memoryBytes: number;
  readonly #buffers = new Map<DeviceBuffer, Storage>();
  /** Bytes in use, by bank. */
  readonly #banks: number[] = [];
  #peakBytes = 0;

  constructor({ precision = 'f32', bankBytes = 2 ** 32, memoryBytes = 2 ** 32 }: ReferenceDeviceOptions) {
    this.#precision = precision;
    this.#bankBytes = bankBytes;
    this.#memoryBytes = memoryBytes;
    this.description = `reference (${precision})`;
  }

  allocate(byteLength: number, label: string): DeviceBuffer {
    invariant(Number.isInteger(byteLength) && byteLength >= 0, `"${label}" has ${byteLength} bytes`);
    const size = Math.ceil(byteLength / 16) * 16;
    const { allocatedBytes } = this.memory();
    if (size > this.#bankBytes || allocatedBytes + size > this.#memoryBytes) {
      throw new InternalError('out_of_memory', `no room for ${byteLength} bytes of "${label}"`);
    }
    let bank = this.#banks.findIndex((used) => used + size <= this.#bankBytes);
    if (bank < 0) bank = this.#banks.push(0) - 1;
    this.#banks[bank]! += size;
    this.#peakBytes = Math.max(this.#peakBytes, allocatedBytes + size);
    const buffer: DeviceBuffer = { byteLength, bank, label };
    const wide = this.#precision === 'f64' ? new Float64Array(size / 4) : null;
    this.#buffers.set(buffer, { bytes: new ArrayBuffer(size), wide });
    return buffer;
  }

  free(buffer: DeviceBuffer): void {
    const { bytes } = this.#storage(buffer);
    this.#buffers.delete(buffer);
    this.#banks[buffer.bank]! -= bytes.byteLength;
  }

  async write(buffer: DeviceBuffer, byteOffset: number, data: ArrayBufferView): Promise<void> {
    const { bytes, wide } = this.#storage(buffer);
    invariant(
      byteOffset % 4 === 0 && data.byteLength % 4 === 0,
      `write of "${buffer.label}" is not aligned to 4`,
    );
    invariant(byteOffset + data.byteLength <= buffer.byteLength, `write past the end of "${buffer.label}"`);
    const source = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    new Uint8Array(bytes, byteOffset, data.byteLength).set(source);
    wide?.set(new Float32Array(bytes, byteOffset, data.byteLength / 4), byteOffset / 4);
  }

  async read(buffer: DeviceBuffer, byteOffset: number, byteLength: number): Promise<ArrayBuffer> {
    const { bytes } = this.#storage(buffer);
    invariant(byteOffset + byteLength <= buffer.byteLength, `read past the end of "${buffer.label}"`);
    return bytes.slice(byteOffset, byteOffset + byteLength);
  }

  async submit(dispatches: readonly Dispatch[]): Promise<void> {
    for (const dispatch of dispatches) validateDispatch(dispatch, this.offsetAlignment);
    for (const { kernel, bindings, params } of dispatches) {
      const views = kernel.bindings.map(({ name }) => [name, this.#view(bindings[name]!)] as const);
      const byName = Object.fromEntries(views);
      kernel.reference(byName, params);
      for (const { name, access } of kernel.bindings) {
        if (access !== 'read') this.#keep(bindings[name]!, byName[name]!);
      }
    }
  }

  memory(): DeviceMemory {
    const allocatedBytes = this.#banks.reduce((sum, used) => sum + used, 0);
    return { banks: this.#banks.length, allocatedBytes, peakBytes: this.#peakBytes };
  }

  async dispose(): Promise<void> {
    this.#buffers.clear();
    this.#banks.length = 0;
  }

  #storage(buffer: DeviceBuffer): Storage {
    const storage = this.#buffers.get(buffer);
    invariant(storage, `"${buffer.label}" is not a buffer of this device, or was freed`);
    return storage;
  }

  /** A tensor's elements, decoded where it is of a compact format. */
  #view(tensor: Tensor): Float32Array | Float64Array | Uint32Array {
    const { bytes, wide } = this.#storage(tensor.buffer);
    const { type, byteOffset } = tensor;
    const length = elementCount(tensor);
    if (type === 'u32') return new Uint32Array(bytes, byteOffset, length);
    if (type !== 'f32') {
      const values = wide ? new Float64Array(length) : new Float32Array(length);
      decodeTensor(type, new Uint8Array(bytes, byteOffset, byteSize(tensor)), values);
      return values;
    }
    const first = byteOffset / 4;
    return wide ? wide.subarray(first, first + length) : new Float32Array(bytes, byteOffset, length);
  }

  /**
   * Brings what a kernel wrote in doubles, or decoded, to the bytes that `read` returns. What it left alone keeps its
   * bits: decoding is exact, and so is encoding again, but for NaNs, which become one another.
   */
  #keep(tensor: Tensor, values: Float32Array | Float64Array | Uint32Array): void {
    const { bytes, wide } = this.#storage(tensor.buffer);
    const { type, byteOffset } = tensor;
    if (type === 'f16') {
      new Uint16Array(bytes, byteOffset, values.length).set(floatToHalf(Float32Array.from(values)));
    } else if (wide && type === 'f32') {
      new Float32Array(bytes, byteOffset, values.length).set(values);
    }
    invariant(type !== 'q8' && type !== 'q4', 'kernels write no blocks');
  }
}
