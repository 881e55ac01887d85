/** Where a model can be computed, by the name a person gives, and what `auto` makes of a machine. */
import { CallerError, InternalError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Device } from '../tensor/device.ts';
import { createReferenceDevice } from '../tensor/reference/reference-device.ts';
import { createWasmDevice } from '../tensor/wasm/node.ts';
import { adapterName } from '../tensor/webgpu/adapter.ts';
import { createNodeWebgpuDevice } from '../tensor/webgpu/node.ts';
import type { GpuFinding } from './find-gpu.ts';

/**
 * `auto` takes the GPU where there is one, else `wasm`. `webgpu-software` takes a software renderer too: right, and far
 * slower than `wasm`; never chosen unasked.
 */
export const deviceNames = ['auto', 'wasm', 'webgpu', 'webgpu-software', 'reference'] as const;
export type DeviceName = (typeof deviceNames)[number];

export interface DeviceChoice {
  readonly name: Exclude<DeviceName, 'auto'>;
  /** In words for people, without a full stop. */
  readonly reason: string;
}

export interface DeviceRequest {
  readonly name: DeviceName;
  /** Of `wasm`. */
  readonly threads: number;
  /** Asked only for `auto`. */
  readonly findGpu: () => Promise<GpuFinding>;
  readonly logger: Logger;
}

/** What `auto` takes on a machine. */
export function chooseDevice(finding: GpuFinding): DeviceChoice {
  if (finding.adapter === null) return { name: 'wasm', reason: finding.problem };
  const name = adapterName(finding.adapter);
  if (!finding.adapter.software) return { name: 'webgpu', reason: `this machine has a GPU, ${name}` };
  return { name: 'wasm', reason: `the only GPU is software, ${name}, which is slower than WebAssembly` };
}

/**
 * Opens a device and makes it ready by `prepare`; whatever fails there closes it again. Where `auto` chose the GPU and that
 * cannot be used, `wasm` is prepared instead, with a warning. Not for lack of memory: a model that does not fit the GPU
 * would be served many times slower without anybody having said so.
 */
export async function openOnDevice<Ready>(
  { name, threads, findGpu, logger }: DeviceRequest,
  prepare: (device: Device) => Promise<Ready>,
): Promise<Ready> {
  const open = async (choice: DeviceChoice): Promise<Ready> => {
    const device = await openDevice(choice.name, threads);
    try {
      const ready = await prepare(device);
      logger.info({ device: device.description, reason: choice.reason }, 'device chosen');
      return ready;
    } catch (error) {
      await device.dispose();
      throw error;
    }
  };
  if (name !== 'auto') return open({ name, reason: 'the settings say so' });
  const choice = chooseDevice(await findGpu());
  if (choice.name !== 'webgpu') return open(choice);
  try {
    return await open(choice);
  } catch (error) {
    if (!isGpuTrouble(error)) throw error;
    logger.warn({ detail: error.message }, 'the GPU cannot be used: computing on the CPU, far slower');
    return open({ name: 'wasm', reason: 'the GPU cannot be used' });
  }
}

/** Throws `CallerError('no_gpu')` where a GPU is asked for that is not there. */
export async function openDevice(name: DeviceChoice['name'], threads: number): Promise<Device> {
  if (name === 'reference') return createReferenceDevice();
  if (name === 'wasm') return createWasmDevice({ threads });
  try {
    return await createNodeWebgpuDevice({ allowFallbackAdapter: name === 'webgpu-software' });
  } catch (cause) {
    if (!(cause instanceof InternalError) || cause.code !== 'no_gpu') throw cause;
    const next = 'Install the GPU driver and its Vulkan loader, or use --device wasm';
    throw new CallerError('no_gpu', `No GPU can be used: ${cause.message}. ${next}.`, { cause });
  }
}

const gpuTroubles: ReadonlySet<string> = new Set(['no_gpu', 'gpu_refused', 'gpu_error', 'device_lost']);

function isGpuTrouble(error: unknown): error is CallerError | InternalError {
  const isKnown = error instanceof CallerError || error instanceof InternalError;
  return isKnown && gpuTroubles.has(error.code);
}
