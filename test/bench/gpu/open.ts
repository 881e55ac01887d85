/**
 * The GPU under the bench: Dawn with timestamps that are not rounded and with f16 on NVIDIA, which Dawn hides there; and
 * what the machine is, for the report.
 */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { promisify } from 'node:util';

const run = promisify(execFile);
const root = new URL('../../../', import.meta.url);

/** Of Dawn (native/Toggles.cpp): timestamps otherwise come in steps of 100 µs. */
const FLAGS = [
  'enable-dawn-features=vulkan_enable_f16_on_nvidia,allow_unsafe_apis',
  'disable-dawn-features=timestamp_quantization',
];

export interface Machine {
  readonly device: string;
  readonly vendor: string;
  readonly architecture: string;
  readonly driver: string;
  readonly backend: string;
  readonly isSoftware: boolean;
  readonly features: readonly string[];
  readonly limits: Readonly<Record<string, number>>;
  /** Bytes on the device; null where nobody tells. */
  readonly memoryBytes: number | null;
  /** Of nvidia-smi: name, driver, memory, clocks, power; null where it is not there. */
  readonly nvidia: string | null;
  readonly cpu: string;
  readonly node: string;
  readonly webgpu: string;
  readonly commit: string;
}

export interface OpenGpu {
  readonly gpu: GPU;
  readonly adapter: GPUAdapter;
  readonly machine: Machine;
}

/** Kept for good: Dawn crashes the process when an instance is collected before its devices. */
const instances: GPU[] = [];

const LIMITS = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
] as const;

/** Throws where there is no GPU. `backend`: vulkan, metal or d3d12; empty for the platform's. */
export async function openGpu(backend: string, commit: string | undefined): Promise<OpenGpu> {
  const { create, globals } = await import('webgpu');
  Object.assign(globalThis, globals);
  const gpu = create([...(backend === '' ? [] : [`backend=${backend}`]), ...FLAGS]);
  instances.push(gpu);
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) {
    throw new Error(
      'no GPU was found: is its Vulkan driver installed? To rehearse without one: --swiftshader',
    );
  }
  const { vendor, architecture, device, description, isFallbackAdapter } = adapter.info;
  const nvidia = await nvidiaSmi();
  const memory = /(\d+) MiB/.exec(nvidia ?? '')?.[1];
  const machine: Machine = {
    device,
    vendor,
    architecture,
    driver: description,
    backend: backend === '' ? `default of ${process.platform}` : backend,
    isSoftware: isFallbackAdapter,
    features: [...adapter.features].sort(),
    limits: Object.fromEntries(LIMITS.map((name) => [name, adapter.limits[name]])),
    memoryBytes: memory === undefined ? null : Number(memory) * 2 ** 20,
    nvidia,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    node: process.version,
    webgpu: await packageVersion(),
    commit: commit ?? (await currentCommit()),
  };
  return { gpu, adapter, machine };
}

/** A device for measurements below the product's own: everything that the adapter has. */
export function requestRawDevice(adapter: GPUAdapter): Promise<GPUDevice> {
  const wanted: GPUFeatureName[] = ['timestamp-query', 'shader-f16', 'subgroups'];
  const { maxBufferSize, maxStorageBufferBindingSize } = adapter.limits;
  return adapter.requestDevice({
    requiredFeatures: wanted.filter((feature) => adapter.features.has(feature)),
    requiredLimits: { maxBufferSize, maxStorageBufferBindingSize },
  });
}

export function loadShader(path: string): Promise<string> {
  return readFile(new URL(`kernels/${path}`, root), 'utf8');
}

async function nvidiaSmi(): Promise<string | null> {
  const query =
    'name,driver_version,memory.total,clocks.max.sm,clocks.max.memory,power.limit,pcie.link.gen.max';
  try {
    const { stdout } = await run('nvidia-smi', [`--query-gpu=${query}`, '--format=csv,noheader']);
    return stdout.trim();
  } catch {
    return null;
  }
}

async function packageVersion(): Promise<string> {
  const text = await readFile(new URL('node_modules/webgpu/package.json', root), 'utf8');
  return /"version":\s*"([^"]+)"/.exec(text)?.[1] ?? 'unknown';
}

async function currentCommit(): Promise<string> {
  try {
    const { stdout: commit } = await run('git', ['rev-parse', '--short=12', 'HEAD'], { cwd: root });
    const { stdout: changes } = await run('git', ['status', '--porcelain', 'src', 'kernels'], { cwd: root });
    return commit.trim() + (changes === '' ? '' : ', changed');
  } catch {
    return 'unknown';
  }
}
