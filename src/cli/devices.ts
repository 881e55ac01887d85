/** Where a model can be computed, by the name a person gives. */
import { CallerError, InternalError } from '../base/errors.ts';
import type { Device } from '../tensor/device.ts';
import { createReferenceDevice } from '../tensor/reference/reference-device.ts';
import { createWasmDevice } from '../tensor/wasm/node.ts';
import { createNodeWebgpuDevice } from '../tensor/webgpu/node.ts';

/** `webgpu-software` takes a software renderer too: right, and far slower than `wasm`; never chosen unasked. */
export const deviceNames = ['wasm', 'webgpu', 'webgpu-software', 'reference'] as const;
export type DeviceName = (typeof deviceNames)[number];

export async function openDevice(name: DeviceName, threads: number): Promise<Device> {
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
