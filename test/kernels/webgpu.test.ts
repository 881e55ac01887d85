/**
 * The WGSL kernels: all compile on a GPU that computes nothing, and on SwiftShader, a GPU in software, they agree with the
 * reference. SwiftShader runs in a child process, whose environment must name its driver before it starts.
 */
import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { create, globals } from 'webgpu';
import { casesOf } from '../../kernels/cases.ts';
import { kernels } from '../../kernels/index.ts';
import { tensorBytes, type StorageType } from '../../kernels/formats.ts';
import type { KernelCase, KernelSpec } from '../../kernels/kernel.ts';
import type { Dispatch, Tensor } from '../../src/tensor/device.ts';
import { createNodeWebgpuDevice } from '../../src/tensor/webgpu/node.ts';
import { Pipelines } from '../../src/tensor/webgpu/pipelines.ts';
import { storedDeclaration } from '../../src/tensor/webgpu/stored-bindings.ts';
import { createWebgpuDevice } from '../../src/tensor/webgpu/webgpu-device.ts';
import { checksOnSwiftshader, hasSwiftshader, type Check } from '../support/swiftshader.ts';
import { webgpuDeviceChecks } from '../support/webgpu-device-checks.ts';

/** Kept for good: Dawn crashes the process when an instance is collected before its devices. */
const gpus: GPU[] = [];

const folder = join(import.meta.dirname, '..', '..', 'kernels');
const specs: readonly KernelSpec[] = Object.values(kernels);
const onGpu = specs.filter(({ webgpu }) => webgpu);
const shaders = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) =>
  file.endsWith('.wgsl'),
);
const imports = shaders.filter((file) => dirname(file) === 'wgsl');
const formats: readonly StorageType[] = ['f32', 'f16', 'q8', 'q4'];
const variants = [true, false].flatMap((subgroups) =>
  formats.flatMap((format) => [1, 2].map((parts) => ({ subgroups, format, parts }))),
);
const PART_BYTES = 1024;
/** What WebGPU guarantees, and all that the GPU which computes nothing has. */
const MOST_STORAGE_BUFFERS = 8;

test('every kernel has a shader, and every shader a kernel', () => {
  const own = shaders.filter((file) => !imports.includes(file));
  expect(own.length).toBeGreaterThan(0);
  expect(onGpu).toEqual(specs);
  expect(own.map((file) => basename(file, '.wgsl')).sort()).toEqual(onGpu.map(({ name }) => name).sort());
});

test.each(onGpu)('$name declares what its spec says', async ({ name, bindings, webgpu }) => {
  const text = await loadShader(`${name}/${name}.wgsl`);
  const overrides = [...text.matchAll(/^override (\w+): u32;$/gm)].map(([, own]) => own);
  expect(new Set(overrides)).toEqual(new Set(webgpu?.overrides ?? []));
  for (const own of bindings) {
    if (own.formats) expect(text, own.name).toMatch(storedDeclaration(own.name));
  }
});

describe('on a GPU that computes nothing', () => {
  const opened = createNodeWebgpuDevice({ backend: 'null', allowFallbackAdapter: true });

  test.each(onGpu)('$name compiles and fits its spec', async (spec) => {
    await (await opened).compile(dispatchOf(spec));
  });

  describe.each(variants)('subgroups $subgroups, stored as $format in $parts parts', (variant) => {
    const pipelines = openPipelines(variant.subgroups);
    const able = onGpu.filter((spec) => {
      const own = spec.bindings.filter((binding) => binding.formats && fits(binding.formats, variant.format));
      const most = MOST_STORAGE_BUFFERS - own.length * (variant.parts - 1);
      const plain = variant.format === 'f32' && variant.parts === 1;
      return plain || (own.length > 0 && storageBuffers(spec) <= most);
    });

    test('concerns kernels', () => {
      expect(able.length).toBeGreaterThan(1);
    });

    test.each(able)('$name compiles with all its constants', async (spec) => {
      await (await pipelines).all(dispatchOf(spec, variant));
    });
  });

  test('a mistake in a shader is reported with its line', async () => {
    const gpu = create(['backend=null']);
    const device = await createWebgpuDevice({
      gpu,
      loadShader: loadBrokenShader,
      allowFallbackAdapter: true,
    });
    await expect(device.compile(dispatchOf(kernels.fill))).rejects.toThrowError(/fill\.wgsl:\n2:\d+ .*'y'/);
  });

  test('a shader that does not fit its spec is refused', async () => {
    const spec: KernelSpec = {
      ...kernels.add,
      bindings: kernels.add.bindings.slice(0, 1),
    };
    const other = await createNodeWebgpuDevice({ backend: 'null', allowFallbackAdapter: true });
    await expect(other.compile(dispatchOf(spec))).rejects.toThrowError(/does not fit its spec/);
  });
});

describe.runIf(hasSwiftshader)('on SwiftShader', () => {
  let checks: readonly Check[] = [];

  beforeAll(async () => {
    checks = await checksOnSwiftshader('gpu-checks.ts');
  }, 910_000);

  test.each(onGpu)('$name agrees with the reference', (spec) => {
    const own = checks.filter(({ check }) => check.startsWith(`${spec.name}: `));
    expect(own.length).toBeGreaterThan(0);
    expect(own).toEqual(
      casesOf(spec).map(({ title }) => ({ check: `${spec.name}: ${title}`, failure: null })),
    );
  });

  test('a sparse-expert layer runs forward and backward in one submission', () => {
    expect(checks).toContainEqual({ check: 'expert layer', failure: null });
  });

  test.each([
    'drawn tokens',
    'drawn tokens of many',
    'drawn shares',
    'drawn rows alike',
    'drawn with carried tokens',
  ])('chooses tokens as the sampler does: %s', (check) => {
    expect(checks).toContainEqual({ check, failure: null });
  });

  test('the engine generates what it generates on the CPU, greedy and drawn', () => {
    expect(checks).toContainEqual({ check: 'engine', failure: null });
  });

  test('kernels that add over lanes agree with the reference without subgroups too', () => {
    expect(checks).toContainEqual({ check: 'subgroups', failure: null });
    const own = checks.filter(({ check }) => check.startsWith('without subgroups: '));
    expect(new Set(own.map(({ check }) => check.split(': ')[1])).size).toBeGreaterThan(4);
    expect(own.filter(({ failure }) => failure !== null)).toEqual([]);
  });

  test('a row of the base has the same bits in any batch', () => {
    expect(checks).toContainEqual({ check: 'rows alone', failure: null });
  });

  test('attention gives a token the same bits alone, in a block, walked over chunks or split', () => {
    expect(checks).toContainEqual({ check: 'attention cut otherwise', failure: null });
    expect(checks).toContainEqual({ check: 'long rows', failure: null });
  });

  test('tensors above the limit of a binding are bound in parts, to the same bits', () => {
    expect(checks).toContainEqual({ check: 'in parts', failure: null });
  });

  test('the model with experts gives the logits of the reference', () => {
    expect(checks).toContainEqual({ check: 'model', failure: null });
  });

  test('the model with weights in q8 and experts in f16 gives the logits of the reference', () => {
    expect(checks).toContainEqual({ check: 'compact model', failure: null });
  });

  test('the model with its cache in f16 gives the logits of the reference with halves', () => {
    expect(checks).toContainEqual({ check: 'half cache', failure: null });
  });

  test.each(['the base', 'experts'])(
    'training %s gives the gradients and weights of the reference',
    (what) => {
      expect(checks).toContainEqual({ check: `training ${what}`, failure: null });
    },
  );

  test.each(webgpuDeviceChecks)('the device %s', (title) => {
    expect(checks).toContainEqual({ check: `device: ${title}`, failure: null });
  });
});

async function loadBrokenShader(): Promise<string> {
  return '@compute @workgroup_size(1)\nfn main() { let x = y; }';
}

function loadShader(path: string): Promise<string> {
  return readFile(join(folder, path), 'utf8');
}

/** For kernels in one variant, on a GPU that computes nothing. */
async function openPipelines(subgroups: boolean): Promise<Pipelines> {
  Object.assign(globalThis, globals);
  const gpu = create(['backend=null']);
  gpus.push(gpu);
  const adapter = await gpu.requestAdapter();
  const requiredFeatures: GPUFeatureName[] = subgroups ? ['subgroups'] : [];
  const device = await adapter!.requestDevice({ requiredFeatures });
  return new Pipelines(device, loadShader, { subgroups, partBytes: PART_BYTES });
}

function fits(own: readonly StorageType[], format: StorageType): boolean {
  return format === 'f32' || own.includes(format);
}

/** The first case of a kernel as a dispatch, for compiling only: its buffers are nobody's. */
function dispatchOf(
  spec: KernelSpec,
  variant: { format: StorageType; parts: number } = { format: 'f32', parts: 1 },
): Dispatch {
  const { inputs, outputs, params }: KernelCase = casesOf(spec)[0]!;
  const tensors = spec.bindings.map(({ name, type, formats: own }): [string, Tensor] => {
    const stored = own && fits(own, variant.format);
    const length = inputs[name]?.length ?? outputs[name] ?? 0;
    const format = stored ? variant.format : type;
    const byteLength = stored ? variant.parts * PART_BYTES : tensorBytes(format, length);
    return [
      name,
      { buffer: { byteLength, bank: 0, label: name }, byteOffset: 0, shape: [length], type: format },
    ];
  });
  return { kernel: spec, bindings: Object.fromEntries(tensors), params };
}

function storageBuffers({ bindings, webgpu }: KernelSpec): number {
  const packed = webgpu?.packed?.length ?? 0;
  return bindings.length - packed + Math.min(packed, 1);
}
