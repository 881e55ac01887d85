/** The `wasm` device on Node: kernels from build/kernels, threads from worker_threads. */
import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { InternalError } from '../../base/errors.ts';
import { WasmDevice } from './wasm-device.ts';
import type { WasmDeviceOptions } from './wasm-device.ts';
import type { SpawnThread } from './team.ts';

const builds = new URL('../../../build/kernels/', import.meta.url);

const spawn: SpawnThread = (start) => {
  const worker = new Worker(new URL('./node-thread.ts', import.meta.url), { workerData: start });
  return { terminate: async () => void (await worker.terminate()) };
};

/** Opens the device; takes the relaxed build (fused multiply-add) where the engine accepts it. */
export async function createWasmDevice(
  options: Partial<Omit<WasmDeviceOptions, 'module' | 'spawn'>> = {},
): Promise<WasmDevice> {
  const relaxed = await readBuild('relaxed');
  const variant = options.variant ?? (WebAssembly.validate(relaxed) ? 'relaxed' : 'simd');
  const module = await WebAssembly.compile(variant === 'relaxed' ? relaxed : await readBuild('simd'));
  return new WasmDevice({ threads: availableParallelism(), ...options, variant, module, spawn });
}

async function readBuild(name: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return new Uint8Array(await readFile(new URL(`${name}.wasm`, builds)));
  } catch (cause) {
    throw new InternalError('kernels_not_built', 'the kernels are not built: run `npm run build:kernels`', {
      cause,
    });
  }
}
