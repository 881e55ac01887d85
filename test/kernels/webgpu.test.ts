/**
 * The WGSL kernels: all compile on a GPU that computes nothing, and on SwiftShader, a GPU in software, they agree with the
 * reference. SwiftShader runs in a child process, whose environment must name its driver before it starts.
 */
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import { create, globals } from 'webgpu';
import { z } from 'zod';
import { casesOf } from '../../kernels/cases.ts';
import { kernels } from '../../kernels/index.ts';
import type { KernelSpec } from '../../kernels/kernel.ts';
import { createNodeWebgpuDevice } from '../../src/tensor/webgpu/node.ts';
import { Pipelines } from '../../src/tensor/webgpu/pipelines.ts';
import type { ShaderFeatures } from '../../src/tensor/webgpu/shader-source.ts';
import { createWebgpuDevice } from '../../src/tensor/webgpu/webgpu-device.ts';
import { swiftshaderEnvironment } from '../support/swiftshader.ts';
import { webgpuDeviceChecks } from '../support/webgpu-device-checks.ts';

/** Kept for good: Dawn crashes the process when an instance is collected before its devices. */
const gpus: GPU[] = [];

/** A line of gpu-checks.ts. */
const checkSchema = z.object({ check: z.string(), failure: z.string().nullable() });

const folder = join(import.meta.dirname, '..', '..', 'kernels');
const specs: readonly KernelSpec[] = Object.values(kernels);
const onGpu = specs.filter(({ webgpu }) => webgpu);
const shaders = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) =>
  file.endsWith('.wgsl'),
);
const imports = shaders.filter((file) => dirname(file) === 'wgsl');
const variants: readonly ShaderFeatures[] = [true, false].flatMap((subgroups) =>
  (['f32', 'f16'] as const).map((storage) => ({ subgroups, storage })),
);
/** The package holds SwiftShader for this platform only. */
const hasSwiftshader = process.platform === 'linux' && process.arch === 'x64';

test('shaders and specs with `webgpu` are the same kernels', () => {
  const own = shaders.filter((file) => !imports.includes(file));
  expect(own.length).toBeGreaterThan(0);
  expect(own.map((file) => basename(file, '.wgsl')).sort()).toEqual(onGpu.map(({ name }) => name).sort());
});

test.each(onGpu)('$name declares as stored what its spec says', async ({ name, webgpu }) => {
  const text = await loadShader(`${name}/${name}.wgsl`);
  const stored = [...text.matchAll(/var<storage, \w+> (\w+): array<(?:vec4<)?storage_t>/g)].map(
    ([, own]) => own,
  );
  expect(stored).toEqual(webgpu?.halves ?? []);
});

describe('on a GPU that computes nothing', () => {
  const opened = createNodeWebgpuDevice({ backend: 'null', allowFallbackAdapter: true });

  test.each(onGpu)('$name compiles and fits its spec', async (spec) => {
    await (await opened).compile(spec);
  });

  describe.each(variants)('with subgroups $subgroups, stored as $storage', (variant) => {
    const pipelines = openPipelines(variant);

    test.each(onGpu)('$name compiles with all its constants', async (spec) => {
      await (await pipelines).all(spec);
    });
  });

  test('a mistake in a shader is reported with its line', async () => {
    const gpu = create(['backend=null']);
    const device = await createWebgpuDevice({
      gpu,
      loadShader: loadBrokenShader,
      allowFallbackAdapter: true,
    });
    await expect(device.compile(kernels.fill)).rejects.toThrowError(/fill\.wgsl:\n2:\d+ .*'y'/);
  });

  test('a shader that does not fit its spec is refused', async () => {
    const spec: KernelSpec = {
      ...kernels.add,
      bindings: kernels.add.bindings.slice(0, 1),
    };
    const other = await createNodeWebgpuDevice({ backend: 'null', allowFallbackAdapter: true });
    await expect(other.compile(spec)).rejects.toThrowError(/does not fit its spec/);
  });
});

describe.runIf(hasSwiftshader)('on SwiftShader', () => {
  let checks: readonly z.infer<typeof checkSchema>[] = [];

  beforeAll(async () => {
    const script = join(import.meta.dirname, '..', 'support', 'gpu-checks.ts');
    const env = { ...process.env, ...(await swiftshaderEnvironment()) };
    const { stdout } = await promisify(execFile)(process.execPath, [script], { env, timeout: 300_000 });
    checks = stdout
      .trim()
      .split('\n')
      .map((line) => checkSchema.parse(JSON.parse(line)));
  }, 310_000);

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

  test('kernels that add over lanes agree with the reference without subgroups too', () => {
    expect(checks).toContainEqual({ check: 'subgroups', failure: null });
    const own = checks.filter(({ check }) => check.startsWith('without subgroups: '));
    expect(new Set(own.map(({ check }) => check.split(': ')[1])).size).toBeGreaterThan(4);
    expect(own.filter(({ failure }) => failure !== null)).toEqual([]);
  });

  test('a row of the base has the same bits in any batch', () => {
    expect(checks).toContainEqual({ check: 'rows alone', failure: null });
  });

  test('the model with experts gives the logits of the reference', () => {
    expect(checks).toContainEqual({ check: 'model', failure: null });
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
async function openPipelines(variant: ShaderFeatures): Promise<Pipelines> {
  Object.assign(globalThis, globals);
  const gpu = create(['backend=null']);
  gpus.push(gpu);
  const adapter = await gpu.requestAdapter();
  const requiredFeatures: GPUFeatureName[] = [
    ...(variant.subgroups ? (['subgroups'] as const) : []),
    ...(variant.storage === 'f16' ? (['shader-f16'] as const) : []),
  ];
  return new Pipelines(await adapter!.requestDevice({ requiredFeatures }), loadShader, variant);
}
