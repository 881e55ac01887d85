/** The GPU behind WebGPU: which adapter is taken, and what it says of itself. */
import { InternalError } from '../../base/errors.ts';

/** Those limits that decide whether and how a model runs: bytes, but for the two counts. */
export interface AdapterLimits {
  readonly maxBufferSize: number;
  readonly maxStorageBufferBindingSize: number;
  readonly maxStorageBuffersPerShaderStage: number;
  readonly maxComputeWorkgroupStorageSize: number;
  readonly maxComputeInvocationsPerWorkgroup: number;
}

/** Plain data, so that a process can ask for another. */
export interface AdapterFacts {
  readonly vendor: string;
  readonly architecture: string;
  readonly description: string;
  /** Computed by the CPU: right, and slower than the `wasm` device. */
  readonly software: boolean;
  readonly features: readonly string[];
  readonly limits: AdapterLimits;
  /** Smallest and largest; null where there are no subgroups. */
  readonly subgroupSizes: readonly [number, number] | null;
}

/** Throws `InternalError('no_gpu')` where there is none, or only one in software that nobody asked for. */
export async function requestAdapter(gpu: GPU, allowFallbackAdapter: boolean): Promise<GPUAdapter> {
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) throw new InternalError('no_gpu', 'no GPU was found');
  if (adapter.info.isFallbackAdapter && !allowFallbackAdapter) {
    throw new InternalError('no_gpu', 'only a software GPU was found');
  }
  return adapter;
}

export function adapterFacts({ info, features, limits }: GPUAdapter): AdapterFacts {
  const { vendor, architecture, description, subgroupMinSize, subgroupMaxSize } = info;
  return {
    vendor,
    architecture,
    description,
    software: info.isFallbackAdapter,
    features: [...features].sort(),
    limits: {
      maxBufferSize: limits.maxBufferSize,
      maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
      maxStorageBuffersPerShaderStage: limits.maxStorageBuffersPerShaderStage,
      maxComputeWorkgroupStorageSize: limits.maxComputeWorkgroupStorageSize,
      maxComputeInvocationsPerWorkgroup: limits.maxComputeInvocationsPerWorkgroup,
    },
    subgroupSizes: features.has('subgroups') ? [subgroupMinSize, subgroupMaxSize] : null,
  };
}

/** For people; an adapter may say little of itself. */
export function adapterName({
  vendor,
  architecture,
  description,
}: Pick<AdapterFacts, 'vendor' | 'architecture' | 'description'>): string {
  return [vendor, architecture, description].filter(Boolean).join(' ') || 'a GPU without a name';
}
