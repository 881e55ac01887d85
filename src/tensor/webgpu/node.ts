/** WebGPU in Node: Dawn from the npm package `webgpu`, shaders from the kernels folder. */
import { readFile } from 'node:fs/promises';
import { InternalError } from '../../base/errors.ts';
import { adapterFacts, requestAdapter, type AdapterFacts } from './adapter.ts';
import { createWebgpuDevice, type WebgpuDevice } from './webgpu-device.ts';

const kernels = new URL('../../../kernels/', import.meta.url);

export interface NodeWebgpuOptions {
  /** `null` compiles shaders on any machine, and computes nothing. Default: what the platform has. */
  readonly backend?: 'vulkan' | 'metal' | 'd3d12' | 'null';
  readonly allowFallbackAdapter?: boolean;
  readonly memoryBytes?: number;
  readonly subgroups?: boolean;
  readonly bindingBytes?: number;
}

/**
 * Dawn would zero shared memory, up to 16 KiB, at the start of every workgroup. No result depends on what a kernel has not
 * written there, and SwiftShader spends seconds on compiling the zeros.
 */
const NO_WORKGROUP_ZEROS = 'enable-dawn-features=disable_workgroup_init';

/** Throws `InternalError('no_gpu')` where there is none. */
export async function createNodeWebgpuDevice(options: NodeWebgpuOptions = {}): Promise<WebgpuDevice> {
  const { backend, ...rest } = options;
  const gpu = await openDawn([...(backend ? [`backend=${backend}`] : []), NO_WORKGROUP_ZEROS]);
  return createWebgpuDevice({ gpu, loadShader, ...rest });
}

/** What the best GPU says of itself, one in software too. Throws `InternalError('no_gpu')` where there is none. */
export async function findNodeAdapter(): Promise<AdapterFacts> {
  return adapterFacts(await requestAdapter(await openDawn([]), true));
}

/** Kept for good: Dawn crashes the process when an instance is collected before its devices. */
const instances = new Map<string, GPU>();

/** A native addon, loaded only where somebody asks for a GPU. */
async function openDawn(flags: string[]): Promise<GPU> {
  const known = instances.get(flags.join());
  if (known) return known;
  try {
    const { create, globals } = await import('webgpu');
    Object.assign(globalThis, globals);
    const gpu = create(flags);
    instances.set(flags.join(), gpu);
    return gpu;
  } catch (cause) {
    throw new InternalError('no_gpu', 'the package `webgpu` does not run on this platform', { cause });
  }
}

function loadShader(path: string): Promise<string> {
  return readFile(new URL(path, kernels), 'utf8');
}
