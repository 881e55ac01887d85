/**
 * The GPU device: WGSL kernels through any implementation of WebGPU (Dawn in Node, the browser's own). It knows no
 * kernel: a spec says what to bind and how many workgroups to start, `loadShader` has the text.
 *
 * Every call joins one queue in the order of the calls, since compiling a shader takes time and a later write must not
 * overtake the submission that waits for it.
 */
import { InternalError } from '../../base/errors.ts';
import { invariant } from '../../base/invariant.ts';
import type { Device, DeviceBuffer, DeviceMemory, Dispatch } from '../device.ts';
import { validateDispatch } from '../validate-dispatch.ts';
import { adapterName, requestAdapter } from './adapter.ts';
import { BindGroups } from './bind-groups.ts';
import { encodeDispatches, prepareDispatch, type Encoding, type Prepared } from './encode.ts';
import { Faults } from './faults.ts';
import { Landings } from './landings.ts';
import { Pipelines } from './pipelines.ts';
import type { LoadShader } from './shader-source.ts';
import { ALIGNMENT, Uniforms } from './uniforms.ts';

export interface WebgpuDeviceOptions {
  readonly gpu: GPU;
  readonly loadShader: LoadShader;
  /** Software GPUs are slower than the `wasm` device: only tests want one. Default false. */
  readonly allowFallbackAdapter?: boolean;
  /** Most bytes that can be allocated at once. Default: 64 GiB, which leaves the judgement to the driver. */
  readonly memoryBytes?: number;
  /** Shaders that add over subgroups. Default: where the GPU can. */
  readonly subgroups?: boolean;
  /** Most bytes of one binding, a multiple of 256: larger tensors are bound in parts. Default: what the GPU allows. */
  readonly bindingBytes?: number;
}

/** A driver keeps a copy of each write until it is sent: an embedding of gigabytes goes in parts. */
const MAX_WRITE_BYTES = 64 << 20;

/** Dispatches that go into one command buffer: enough to hide its cost, few enough for any driver's watchdog. */
const MAX_DISPATCHES = 1024;

export async function createWebgpuDevice(options: WebgpuDeviceOptions): Promise<WebgpuDevice> {
  const adapter = await requestAdapter(options.gpu, options.allowFallbackAdapter ?? false);
  const { maxBufferSize, maxStorageBufferBindingSize, maxStorageBuffersPerShaderStage } = adapter.limits;
  const requiredLimits = { maxBufferSize, maxStorageBufferBindingSize, maxStorageBuffersPerShaderStage };
  const subgroups = adapter.features.has('subgroups') && (options.subgroups ?? true);
  const requiredFeatures: GPUFeatureName[] = subgroups ? ['subgroups'] : [];
  const name = adapterName(adapter.info);
  const device = await adapter.requestDevice({ requiredLimits, requiredFeatures }).catch((cause: unknown) => {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new InternalError('gpu_error', `${name} gives no device: ${reason}`, { cause });
  });
  return new WebgpuDevice(device, subgroups ? `${name}, subgroups` : name, options);
}

export class WebgpuDevice implements Device {
  readonly kind = 'webgpu';
  readonly description: string;
  readonly offsetAlignment = ALIGNMENT;
  readonly #device: GPUDevice;
  readonly #pipelines: Pipelines;
  readonly #encoding: Encoding;
  readonly #faults: Faults;
  readonly #landings: Landings;
  readonly #memoryBytes: number;
  readonly #buffers = new Map<DeviceBuffer, GPUBuffer>();
  #tail: Promise<unknown> = Promise.resolve();
  readonly #prepared = new WeakMap<Dispatch, { readonly epoch: number; readonly what: Prepared }>();
  /** Counts what was freed: a dispatch that was prepared before may hold a buffer that is gone. */
  #epoch = 0;
  #allocatedBytes = 0;
  #peakBytes = 0;
  #closed = false;

  constructor(device: GPUDevice, name: string, options: WebgpuDeviceOptions) {
    const { loadShader, memoryBytes = 2 ** 36 } = options;
    this.#device = device;
    this.description = `WebGPU, ${name}`;
    const subgroups = device.features.has('subgroups');
    const limit = Math.min(device.limits.maxStorageBufferBindingSize, options.bindingBytes ?? Infinity);
    const partBytes = Math.floor(limit / ALIGNMENT) * ALIGNMENT;
    this.#pipelines = new Pipelines(device, loadShader, { subgroups, partBytes });
    this.#encoding = {
      device,
      groups: new BindGroups(device),
      uniforms: new Uniforms(device, MAX_DISPATCHES),
      partBytes,
    };
    this.#landings = new Landings(device);
    this.#memoryBytes = memoryBytes;
    this.#faults = new Faults(device);
  }

  get lost(): Promise<InternalError> {
    return this.#faults.lost;
  }

  /** One buffer of the GPU each, all in bank 0: a dispatch may bind any of them together. */
  allocate(byteLength: number, label: string): DeviceBuffer {
    this.#checkOpen();
    const size = Math.max(16, Math.ceil(byteLength / 16) * 16);
    if (size > this.#device.limits.maxBufferSize || this.#allocatedBytes + size > this.#memoryBytes) {
      throw new InternalError('out_of_memory', `${byteLength} bytes for ${label} do not fit the GPU`);
    }
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    const gpuBuffer = this.#faults.createBuffer({ size, usage, label }, () => {
      if (this.#buffers.has(buffer)) this.#allocatedBytes -= size;
    });
    const buffer: DeviceBuffer = { byteLength, bank: 0, label };
    this.#buffers.set(buffer, gpuBuffer);
    this.#allocatedBytes += size;
    this.#peakBytes = Math.max(this.#peakBytes, this.#allocatedBytes);
    return buffer;
  }

  free(buffer: DeviceBuffer): void {
    const gpuBuffer = this.#own(buffer);
    this.#buffers.delete(buffer);
    if (this.#faults.hasMemory(gpuBuffer)) this.#allocatedBytes -= gpuBuffer.size;
    this.#epoch++;
    void this.#destroyLater(gpuBuffer);
  }

  async write(buffer: DeviceBuffer, byteOffset: number, data: ArrayBufferView): Promise<void> {
    const gpuBuffer = this.#usable(buffer);
    invariant(
      byteOffset % 4 === 0 && data.byteLength % 4 === 0,
      `write of "${buffer.label}" is not aligned to 4`,
    );
    invariant(byteOffset + data.byteLength <= buffer.byteLength, `write past the end of "${buffer.label}"`);
    return this.#enqueue(async () => {
      for (let at = 0; at < data.byteLength; at += MAX_WRITE_BYTES) {
        const part = unsharedBytes(data, at, Math.min(MAX_WRITE_BYTES, data.byteLength - at));
        this.#device.queue.writeBuffer(gpuBuffer, byteOffset + at, part);
      }
    });
  }

  async read(buffer: DeviceBuffer, byteOffset: number, byteLength: number): Promise<ArrayBuffer> {
    const gpuBuffer = this.#usable(buffer);
    invariant(byteOffset % 4 === 0 && byteLength % 4 === 0, `read of "${buffer.label}" is not aligned to 4`);
    invariant(byteOffset + byteLength <= buffer.byteLength, `read past the end of "${buffer.label}"`);
    // Only the sending is the queue's business: what comes later need not wait for the answer.
    const copied = this.#enqueue(async () => this.#landings.copy(gpuBuffer, byteOffset, byteLength));
    return copied.then(({ arrived }) => this.#faults.during(() => arrived));
  }

  /**
   * A dispatch that was submitted before, the very object, is not looked at again: it must not have changed.
   */
  async submit(dispatches: readonly Dispatch[]): Promise<void> {
    // As they are now: a caller may free a buffer before its turn comes, and it is destroyed after that.
    const fresh = new Set(
      dispatches.filter((dispatch) => this.#prepared.get(dispatch)?.epoch !== this.#epoch),
    );
    const all = Promise.all([...fresh].map((dispatch) => this.#prepare(dispatch)));
    // It is awaited when its turn comes, which may be after it has failed.
    all.catch(() => {});
    const sent = await this.#enqueue(async () => {
      await all;
      const ready = dispatches.map((dispatch) => this.#prepared.get(dispatch)!.what);
      const runs: Promise<void>[] = [];
      for (let from = 0; from < ready.length; from += MAX_DISPATCHES) {
        runs.push(this.#run(ready.slice(from, from + MAX_DISPATCHES)));
      }
      // Only the sending is the queue's business: a read that follows need not wait for two answers in a row.
      const done = Promise.all(runs);
      // An error may end this task before anybody awaits them.
      done.catch(() => {});
      return { done };
    });
    await sent.done;
  }

  /** Compiles a kernel for dispatches like this one, with all its constants; rejects with the place of a mistake. */
  async compile(dispatch: Dispatch): Promise<void> {
    await this.#pipelines.all(dispatch);
  }

  memory(): DeviceMemory {
    return { banks: 1, allocatedBytes: this.#allocatedBytes, peakBytes: this.#peakBytes };
  }

  async dispose(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#faults.close();
    await this.#tail;
    // The driver of a device that was lost may not be there to answer.
    if (this.#faults.isLost) return;
    await this.#landings.idle();
    this.#device.destroy();
  }

  async #prepare(dispatch: Dispatch): Promise<void> {
    validateDispatch(dispatch, ALIGNMENT);
    const epoch = this.#epoch;
    const buffers = new Map<DeviceBuffer, GPUBuffer>();
    for (const { buffer } of Object.values(dispatch.bindings)) buffers.set(buffer, this.#usable(buffer));
    const compiled = await this.#pipelines.get(dispatch);
    const what = prepareDispatch(this.#encoding, dispatch, compiled, (buffer) => buffers.get(buffer)!);
    this.#prepared.set(dispatch, { epoch, what });
  }

  /** Sends at once; resolves when the GPU has done it. */
  async #run(prepared: readonly Prepared[]): Promise<void> {
    await this.#faults.during(async () => {
      const { queue } = this.#device;
      const temporary: GPUBuffer[] = [];
      queue.submit([encodeDispatches(this.#encoding, prepared, temporary)]);
      const finished = queue.onSubmittedWorkDone();
      for (const buffer of temporary) buffer.destroy();
      await finished;
    });
  }

  /** Work that was submitted before may still wait in the queue. */
  async #destroyLater(buffer: GPUBuffer): Promise<void> {
    await this.#tail;
    this.#encoding.groups.forget(buffer);
    buffer.destroy();
  }

  #enqueue<T>(task: () => Promise<T>): Promise<T> {
    this.#checkOpen();
    const result = this.#tail.then(() => this.#faults.during(task));
    this.#tail = result.catch(() => {});
    return result;
  }

  #own(buffer: DeviceBuffer): GPUBuffer {
    const gpuBuffer = this.#buffers.get(buffer);
    invariant(gpuBuffer, `"${buffer.label}" is not a buffer of this device, or was freed`);
    return gpuBuffer;
  }

  /** Throws `InternalError('out_of_memory')` for a buffer that has none. */
  #usable(buffer: DeviceBuffer): GPUBuffer {
    const gpuBuffer = this.#own(buffer);
    this.#faults.check(gpuBuffer);
    return gpuBuffer;
  }

  #checkOpen(): void {
    invariant(!this.#closed, 'the device is closed');
    this.#faults.check();
  }
}

/** Dawn's `writeBuffer` crashes the process on a view of shared memory. */
function unsharedBytes(
  { buffer, byteOffset }: ArrayBufferView,
  from: number,
  length: number,
): Uint8Array<ArrayBuffer> {
  if (buffer instanceof ArrayBuffer) return new Uint8Array(buffer, byteOffset + from, length);
  return new Uint8Array(buffer, byteOffset + from, length).slice();
}
