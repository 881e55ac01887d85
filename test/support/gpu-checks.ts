/**
 * Runs in a process of its own, whose environment names the GPU driver (see swiftshader.ts), and reports what it checked.
 * test/kernels/webgpu.test.ts starts it.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { casesOf } from '../../kernels/cases.ts';
import { kernels } from '../../kernels/index.ts';
import type { KernelSpec } from '../../kernels/kernel.ts';
import { createNodeWebgpuDevice } from '../../src/tensor/webgpu/node.ts';
import { checkInFormats, checkKernel } from './check-kernel.ts';
import { checkExpertLayer } from './expert-layer.ts';
import { checkAttentionCuts } from './gpu-attention.ts';
import { checkEngine } from './gpu-engine.ts';
import {
  checkCompactModel,
  checkHalfCache,
  checkLongRows,
  checkModel,
  checkParts,
  checkRowsAlone,
} from './gpu-model.ts';
import { checkBaseTraining, checkExpertTraining } from './gpu-training.ts';
import { report } from './report-check.ts';
import { checkCarried, checkDraws, checkRowsAlike, checkShares } from './sampling-checks.ts';
import { webgpuDeviceChecks } from './webgpu-device-checks.ts';

const options = { backend: 'vulkan', allowFallbackAdapter: true, memoryBytes: 2 ** 26 } as const;
const device = await createNodeWebgpuDevice(options);
/** Less than an embedding, a joint weight and a layer's experts of the tiny model. */
const inParts = await createNodeWebgpuDevice({ ...options, bindingBytes: 24 << 10 });
const withoutSubgroups = await createNodeWebgpuDevice({ ...options, subgroups: false });

const specs: readonly KernelSpec[] = Object.values(kernels);
for (const spec of specs) {
  if (!spec.webgpu) continue;
  for (const kernelCase of casesOf(spec)) {
    await report(`${spec.name}: ${kernelCase.title}`, () => checkKernel(device, spec, kernelCase));
  }
}
await report('subgroups', async () => assert.match(device.description, /subgroups/));
for (const spec of specs) {
  const text = await readFile(
    new URL(`../../kernels/${spec.name}/${spec.name}.wgsl`, import.meta.url),
    'utf8',
  );
  if (!/^#import (lanes|reduce)$/m.test(text)) continue;
  // Without subgroups a sum takes barriers, which a GPU in software is slow at: a few cases.
  for (const kernelCase of casesOf(spec).slice(0, 2)) {
    const check = `without subgroups: ${spec.name}: ${kernelCase.title}`;
    await report(check, () => checkInFormats(withoutSubgroups, spec, kernelCase, {}));
  }
}
await report('drawn tokens', () => checkDraws(device, 300, 6));
await report('drawn tokens of many', () => checkDraws(device, 5000, 1));
await report('drawn shares', () => checkShares(device, 100));
await report('drawn rows alike', () => checkRowsAlike(device));
await report('drawn with carried tokens', () => checkCarried(device));
await report('expert layer', () => checkExpertLayer(device));
await report('model', () => checkModel(device));
await report('compact model', () => checkCompactModel(device));
await report('half cache', () => checkHalfCache(device));
await report('engine', () => checkEngine(device));
await report('rows alone', () => checkRowsAlone(device));
await report('attention cut otherwise', () => checkAttentionCuts(device));
await report('long rows', () => checkLongRows(device));
await report('in parts', () => checkParts(device, inParts));
await report('training the base', () => checkBaseTraining(device));
await report('training experts', () => checkExpertTraining(device));
for (const [title, check] of webgpuDeviceChecks) await report(`device: ${title}`, () => check(device));
await device.dispose();
await withoutSubgroups.dispose();
await inParts.dispose();
