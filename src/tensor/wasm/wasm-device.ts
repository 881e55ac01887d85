/**
 * The CPU device: AssemblyScript SIMD kernels on shared WebAssembly memories, computed by a few threads.
 *
 * Why threads of its own, and not the event loop: a step takes milliseconds, and a server must answer meanwhile. The
 * caller only writes commands into shared memory and awaits; threads meet between commands without any message.
 */
import { InternalError } from '../../base/errors.ts';
import { invariant } from '../../base/invariant.ts';
import { valueBytes } from '../../../kernels/formats.ts';
import { kernels } from '../../../kernels/index.ts';
import type { KernelSpec } from '../../../kernels/kernel.ts';
import type { Device, DeviceBuffer, DeviceMemory, Dispatch, Tensor } from '../device.ts';
import { Bank } from './bank.ts';
import { COPY, MAX_COMMANDS, MAX_STREAM } from './command-stream.ts';
import type { BankStart } from './command-stream.ts';
import { Team, type SpawnThread } from './team.ts';
import { byteSize, elementCount } from '../validate-dispatch.ts';
import { homeBank, own, WasmBuffer } from './wasm-buffer.ts';

export interface WasmDeviceOptions {
  readonly module: WebAssembly.Module;
  /** `null`: there are no threads that share memory, the caller computes itself. */
  readonly spawn: SpawnThread | null;
  /** Never more than free cores: threads that wait for a core stall all others. */
  readonly threads: number;
  /** Size of a bank; tests make it tiny. */
  readonly bankBytes?: number;
  /** Scratch of one thread in one bank. */
  readonly scratchBytes?: number;
  readonly maxBanks?: number;
  /** Kept free in every bank for tensors that visit it from another one. */
  readonly stagingBytes?: number;
  /** For people: which build of the kernels `module` is. */
  readonly variant?: string;
}

interface Staged {
  readonly bank: number;
  readonly pointer: number;
  readonly bytes: number;
}

const DEFAULT_BANK_BYTES = 65535 * 65536;
const DEFAULT_SCRATCH_BYTES = 1 << 20;
const MAX_STAGING_BYTES = 128 << 20;
/** As `kernels/simd/formats.simd.ts` numbers them. */
const FORMATS: readonly string[] = ['f32', 'f16', 'q8', 'q4'];
const names = Object.values(kernels).map((kernel) => kernel.name);
const functionOf = new Map(names.map((name, index) => [name, index]));

export class WasmDevice implements Device {
  readonly kind = 'wasm';
  readonly description: string;
  readonly offsetAlignment = 16;
  readonly #options: Required<WasmDeviceOptions>;
  readonly #team: Team;
  readonly #banks: { bank: Bank; start: BankStart }[] = [];
  #tail: Promise<void> = Promise.resolve();
  #allocated = 0;
  #peak = 0;
  #closed = false;

  constructor(options: WasmDeviceOptions) {
    this.#options = {
      bankBytes: DEFAULT_BANK_BYTES,
      stagingBytes: Math.min(MAX_STAGING_BYTES, (options.bankBytes ?? DEFAULT_BANK_BYTES) / 16),
      scratchBytes: DEFAULT_SCRATCH_BYTES,
      maxBanks: 64,
      variant: 'simd',
      ...options,
      threads: options.spawn ? options.threads : 1,
    };
    const { module, spawn, threads, variant } = this.#options;
    checkComplete(module);
    this.#team = new Team({ module, functions: names, threads, spawn });
    this.description = `WebAssembly ${variant}, ${threads} thread${threads === 1 ? '' : 's'}`;
  }

  allocate(byteLength: number, label: string): DeviceBuffer {
    invariant(!this.#closed, 'the device is closed');
    for (let index = 0; ; index++) {
      if (index === this.#banks.length) this.#openBank(byteLength, label);
      const { bank } = this.#banks[index]!;
      const pointer = bank.allocate(byteLength, this.#options.stagingBytes);
      if (pointer === null) continue;
      this.#allocated += byteLength;
      this.#peak = Math.max(this.#peak, this.#allocated);
      return new WasmBuffer(byteLength, index, label, pointer);
    }
  }

  free(buffer: DeviceBuffer): void {
    const { pointer, bank, byteLength } = own(buffer);
    this.#banks[bank]?.bank.release(pointer, byteLength);
    this.#allocated -= byteLength;
  }

  write(buffer: DeviceBuffer, byteOffset: number, data: ArrayBufferView): Promise<void> {
    invariant(byteOffset + data.byteLength <= buffer.byteLength, `a write beyond the end of ${buffer.label}`);
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    return this.#enqueue(async () => {
      const { pointer, bank } = own(buffer);
      this.#bytes(bank, pointer + byteOffset, data.byteLength).set(bytes);
    });
  }

  async read(buffer: DeviceBuffer, byteOffset: number, byteLength: number): Promise<ArrayBuffer> {
    invariant(byteOffset + byteLength <= buffer.byteLength, `a read beyond the end of ${buffer.label}`);
    const copy = new Uint8Array(byteLength);
    await this.#enqueue(async () => {
      const { pointer, bank } = own(buffer);
      copy.set(this.#bytes(bank, pointer + byteOffset, byteLength));
    });
    return copy.buffer;
  }

  submit(dispatches: readonly Dispatch[]): Promise<void> {
    return this.#enqueue(async () => {
      let from = 0;
      while (from < dispatches.length) from = await this.#runSome(dispatches, from);
    });
  }

  memory(): DeviceMemory {
    return { banks: this.#banks.length, allocatedBytes: this.#allocated, peakBytes: this.#peak };
  }

  async dispose(): Promise<void> {
    if (this.#closed) return;
    await this.#tail;
    this.#closed = true;
    await this.#team.stop();
  }

  #enqueue(task: () => Promise<void>): Promise<void> {
    invariant(!this.#closed, 'the device is closed');
    const result = this.#tail.then(task);
    this.#tail = result.catch(() => {});
    return result;
  }

  #bytes(bank: number, pointer: number, length: number): Uint8Array {
    const { memory } = this.#banks[bank]!.bank;
    return new Uint8Array(memory.buffer, pointer, length);
  }

  #openBank(byteLength: number, label: string): void {
    const { bankBytes, scratchBytes, stagingBytes, threads, maxBanks } = this.#options;
    const bank = this.#banks.length < maxBanks ? new Bank(bankBytes) : null;
    const scratch = Array.from({ length: threads }, () => bank?.allocate(scratchBytes) ?? null);
    const probe = bank?.allocate(byteLength, stagingBytes) ?? null;
    if (!bank || scratch.includes(null) || probe === null) {
      throw new InternalError(
        'out_of_memory',
        `${byteLength} bytes for ${label} do not fit: ${this.#banks.length} banks of ${bankBytes} bytes are in use`,
      );
    }
    bank.release(probe, byteLength);
    this.#banks.push({ bank, start: { memory: bank.memory, scratch: scratch.map(Number) } });
  }

  /** Encodes as many dispatches as fit the shared stream and runs them; returns the index of the next one. */
  async #runSome(dispatches: readonly Dispatch[], from: number): Promise<number> {
    const staged: Staged[] = [];
    try {
      return await this.#runStaging(dispatches, from, staged);
    } finally {
      for (const { bank, pointer, bytes } of staged) this.#banks[bank]?.bank.release(pointer, bytes);
    }
  }

  async #runStaging(dispatches: readonly Dispatch[], from: number, staged: Staged[]): Promise<number> {
    const encoder = { at: 0, commands: 0 };
    let index = from;
    for (; index < dispatches.length; index++) {
      if (encoder.commands + 32 > MAX_COMMANDS || encoder.at + 1024 > MAX_STREAM) break;
      // Where visitors of earlier dispatches fill a bank, these run first and make room.
      if (!this.#encode(dispatches[index]!, encoder, staged)) break;
    }
    if (encoder.commands === 0 && index < dispatches.length) {
      throw new InternalError(
        'out_of_memory',
        'a bank has no room for the tensors of a dispatch from other banks',
      );
    }
    await this.#team.run(
      encoder.commands,
      this.#banks.map(({ start }) => start),
    );
    return index;
  }

  /** False where a bank has no room for the dispatch's visitors; nothing is encoded then. */
  #encode(dispatch: Dispatch, encoder: { at: number; commands: number }, staged: Staged[]): boolean {
    const { kernel, bindings, params } = dispatch;
    const items = kernel.items(params);
    if (items === 0) return true;
    const scratch = kernel.scratch?.(params) ?? 0;
    invariant(
      scratch <= this.#options.scratchBytes,
      `${kernel.name} needs ${scratch} bytes of scratch a thread; the device has ${this.#options.scratchBytes}`,
    );
    const tensors = kernel.bindings.map(({ name }) => {
      const tensor = bindings[name];
      invariant(tensor, `${kernel.name} lacks its binding ${name}`);
      return tensor;
    });
    for (const [index, { name, type }] of kernel.bindings.entries()) {
      const tensor = tensors[index]!;
      const readable = tensor.type === type || kernel.simd?.encoded.includes(name);
      invariant(readable, `${kernel.name} on wasm takes ${name} as ${type}, not as ${tensor.type}`);
    }
    const home = homeBank(tensors);
    const places = this.#place(tensors, home, staged);
    if (places === null) return false;
    const back: (() => void)[] = [];
    const pointers = tensors.map((tensor, index) => {
      const buffer = own(tensor.buffer);
      const pointer = buffer.pointer + tensor.byteOffset;
      const place = places[index]!;
      if (buffer.bank === home) return place;
      const bytes = byteSize(tensor);
      const access = kernel.bindings[index]?.access;
      if (access !== 'write') this.#push(encoder, [COPY, buffer.bank, home, 0, 3, pointer, place, bytes]);
      if (access !== 'read')
        back.push(() => this.#push(encoder, [COPY, home, buffer.bank, 0, 3, place, pointer, bytes]));
      return place;
    });
    const values = kernel.params.map(({ name }) => {
      const value = params[name];
      invariant(value !== undefined, `${kernel.name} lacks its parameter ${name}`);
      return value;
    });
    const grain = kernel.grain?.(params) ?? Math.ceil(items / (this.#options.threads * 4));
    const kernelIndex = functionOf.get(kernel.name)!;
    const args = [...pointers, ...values, ...encodedArguments(kernel, tensors, places)];
    this.#push(encoder, [kernelIndex, home, items, grain, args.length, ...args]);
    for (const copy of back) copy();
    return true;
  }

  /** Where each tensor lies in the home bank: its own place, or room for a visitor. Null where there is none. */
  #place(tensors: readonly Tensor[], home: number, staged: Staged[]): number[] | null {
    const places: number[] = [];
    for (const tensor of tensors) {
      const { bank, pointer } = own(tensor.buffer);
      const bytes = byteSize(tensor);
      const visitor = bank === home ? undefined : (this.#banks[home]?.bank.allocate(bytes) ?? null);
      if (visitor === null) return null;
      if (visitor !== undefined) staged.push({ bank: home, pointer: visitor, bytes });
      places.push(visitor ?? pointer + tensor.byteOffset);
    }
    return places;
  }

  #push(encoder: { at: number; commands: number }, words: readonly number[]): void {
    this.#team.stream.set(words, encoder.at);
    encoder.at += words.length;
    encoder.commands++;
  }
}

/** Format and place of the scales of each binding that comes in any format. */
function encodedArguments(
  { bindings, simd }: KernelSpec,
  tensors: readonly Tensor[],
  places: readonly number[],
): number[] {
  return (simd?.encoded ?? []).flatMap((name) => {
    const index = bindings.findIndex((binding) => binding.name === name);
    const tensor = tensors[index]!;
    return [FORMATS.indexOf(tensor.type), places[index]! + valueBytes(tensor.type, elementCount(tensor))];
  });
}

/** Threads that find a kernel missing could only stop, and whoever waits for them with them. */
function checkComplete(module: WebAssembly.Module): void {
  const built = new Set(WebAssembly.Module.exports(module).map(({ name }) => name));
  const missing = names.filter((name) => !built.has(name));
  if (missing.length === 0) return;
  const message = `the built kernels lack ${missing.join(', ')}: run \`npm run build:kernels\``;
  throw new InternalError('kernels_not_built', message);
}
