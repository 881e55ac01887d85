import { expect, test } from 'vitest';
import { Transformer } from '../../src/model/transformer.ts';
import type { Device } from '../../src/tensor/device.ts';
import { createReferenceDevice } from '../../src/tensor/reference/reference-device.ts';
import { createWasmDevice } from '../../src/tensor/wasm/node.ts';
import { createNodeWebgpuDevice } from '../../src/tensor/webgpu/node.ts';
import { tinyConfig, tinyModel } from '../support/tiny-model.ts';

/** Of 256 positions: long enough for a GPU to split attention over them. */
const options = { maxBatchTokens: 16, pages: 16, experts: { slots: 4, rank: 2 }, maxExpertsPerRoute: 4 };

test.each<[Device['kind'], () => Promise<Device>]>([
  ['reference', async () => createReferenceDevice()],
  ['wasm', () => createWasmDevice({ threads: 1 })],
  ['webgpu', () => createNodeWebgpuDevice({ backend: 'null', allowFallbackAdapter: true })],
])('a model takes of a device what was planned: %s', async (kind, open) => {
  const device = await open();
  const { checkpoint, config } = await tinyModel();
  const before = device.memory().allocatedBytes;
  await Transformer.load(device, checkpoint, options);
  const plan = Transformer.plan(kind, config, options);
  expect(plan.total).toBe(device.memory().allocatedBytes - before);
  expect(plan.total).toBe(plan.weights + plan.cache + plan.experts + plan.work);
  await device.dispose();
});

test('each part grows with what it is made of', () => {
  const plan = Transformer.plan('wasm', tinyConfig, options);
  const pages = Transformer.plan('wasm', tinyConfig, { ...options, pages: 32 });
  expect(pages).toMatchObject({ weights: plan.weights, experts: plan.experts, cache: 2 * plan.cache });
  const slots = Transformer.plan('wasm', tinyConfig, { ...options, experts: { slots: 8, rank: 2 } });
  expect(slots).toMatchObject({ weights: plan.weights, experts: 2 * plan.experts, cache: plan.cache });
  const layers = Transformer.plan('wasm', { ...tinyConfig, layers: 6 }, options);
  expect(layers.weights).toBeGreaterThan(plan.weights);
  expect(layers.work).toBe(plan.work);
});

test('the largest buffer is named', () => {
  const { largest } = Transformer.plan('wasm', tinyConfig, { ...options, pages: 10_000 });
  const { keyValueHeads, headSize } = tinyConfig;
  expect(largest).toEqual({ label: 'cache.0.keys', bytes: 10_000 * 16 * keyValueHeads * headSize * 4 });
});
