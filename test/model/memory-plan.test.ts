import { expect, test } from 'vitest';
import { Transformer } from '../../src/model/transformer.ts';
import { createReferenceDevice } from '../../src/tensor/reference/reference-device.ts';
import { tinyConfig, tinyModel } from '../support/tiny-model.ts';

const options = { maxBatchTokens: 16, pages: 8, experts: { slots: 4, rank: 2 }, maxExpertsPerRoute: 4 };

test('a model takes of a device what was planned', async () => {
  const device = createReferenceDevice();
  const { checkpoint, config } = await tinyModel();
  await Transformer.load(device, checkpoint, options);
  const plan = Transformer.plan(config, options);
  expect(plan.total).toBe(device.memory().allocatedBytes);
  expect(plan.total).toBe(plan.weights + plan.cache + plan.experts + plan.work);
});

test('each part grows with what it is made of', () => {
  const plan = Transformer.plan(tinyConfig, options);
  const pages = Transformer.plan(tinyConfig, { ...options, pages: 16 });
  expect(pages).toMatchObject({ weights: plan.weights, experts: plan.experts, cache: 2 * plan.cache });
  const slots = Transformer.plan(tinyConfig, { ...options, experts: { slots: 8, rank: 2 } });
  expect(slots).toMatchObject({ weights: plan.weights, experts: 2 * plan.experts, cache: plan.cache });
  const layers = Transformer.plan({ ...tinyConfig, layers: 6 }, options);
  expect(layers.weights).toBeGreaterThan(plan.weights);
  expect(layers.work).toBe(plan.work);
});

test('the largest buffer is named', () => {
  const { largest } = Transformer.plan(tinyConfig, { ...options, pages: 10_000 });
  const { keyValueHeads, headSize } = tinyConfig;
  expect(largest).toEqual({ label: 'cache.0.keys', bytes: 10_000 * 16 * keyValueHeads * headSize * 4 });
});
