/** The model of bytes and dispatches against the steps themselves, tensor by tensor. */
import { expect, test } from 'vitest';
import { CHUNK } from '../../../kernels/attention-work.ts';
import { createReferenceDevice } from '../../../src/tensor/reference/reference-device.ts';
import { MODELS } from './random-model.ts';
import { ServingModel } from './serving-model.ts';
import { expectedExperts, predict, stepParts, type Formats } from './step-model.ts';
import { shapeOf, type StepRequest } from './step-request.ts';
import { attentionTouched, dispatchWork } from './work.ts';
import { watchTraffic } from './watched-gpu.ts';

const F32: Formats = { weights: 'f32', experts: 'f32', cache: 'f32' };
const SMALL: Formats = { weights: 'q8', experts: 'f16', cache: 'f16' };

const steps: readonly (StepRequest & { readonly formats: Formats })[] = [
  { formats: F32, sequences: 1, tokens: 1, context: 9, asking: 'base' },
  { formats: F32, sequences: 3, tokens: 1, context: 20, asking: 'same' },
  { formats: SMALL, sequences: 3, tokens: 1, context: 20, asking: 'different' },
  { formats: SMALL, sequences: 2, tokens: 1, context: 300, asking: 'same' },
  { formats: { ...SMALL, weights: 'q4' }, sequences: 2, tokens: 5, context: 17, asking: 'different' },
];

test.each(steps)(
  '$sequences × $tokens tokens at $context, $asking, $formats.weights: dispatches, bytes and operations are those submitted',
  async ({ formats, ...request }) => {
    // Attention is cut for a GPU only where the device says that it is one.
    const device = Object.defineProperty(createReferenceDevice(), 'kind', { value: 'webgpu' });
    const take = watchTraffic(device);
    const sizes = { config: MODELS['tiny']!, formats, shards: 3, pages: 40, maxTokens: 16 };
    const serving = await ServingModel.open(device, sizes);
    await serving.makeResident(3);
    take();
    await serving.model.step(serving.batch(request));
    const { dispatches } = take();

    const shape = shapeOf(sizes.config, formats, request, 3);
    const sums: Record<string, number[]> = {};
    for (const dispatch of dispatches) {
      const { bytes, flops } = dispatchWork(dispatch, shape.touched);
      const [count = 0, ...before] = (sums[dispatch.kernel.name] ??= [0, 0, 0]);
      sums[dispatch.kernel.name] = [count + 1, before[0]! + bytes, before[1]! + flops];
    }
    const expected: Record<string, number[]> = {};
    for (const { kernel, count, bytes, flops } of stepParts(shape)) {
      const before = expected[kernel] ?? [0, 0, 0];
      expected[kernel] = [before[0]! + count, before[1]! + count * bytes, before[2]! + count * flops];
    }
    expect(Object.keys(sums).sort()).toEqual(Object.keys(expected).sort());
    for (const [kernel, values] of Object.entries(expected)) {
      for (const [index, value] of values.entries())
        expect(sums[kernel]?.[index], kernel).toBeCloseTo(value, 3);
    }
    await device.dispose();
  },
);

test('a step takes as long as its dispatches, each at the limit that binds it', () => {
  const part = { name: 'part', kernel: 'add' };
  const parts = [
    { ...part, count: 2, bytes: 1000, flops: 10 },
    { ...part, count: 3, bytes: 1, flops: 5000 },
    { ...part, count: 4, bytes: 1, flops: 1 },
  ];
  const { seconds, boundBy, dispatches } = predict(parts, { bandwidth: 100, rate: 1000, floor: 1 });
  expect(dispatches).toBe(9);
  expect(boundBy).toEqual({ bandwidth: 20, rate: 15, floor: 4 });
  expect(seconds).toBe(39);
});

test('positions seen count for each token, positions cached once a sequence', () => {
  const positions = Uint32Array.of(3, 4, 0);
  const heads = { heads: 4, keyValueHeads: 2 };
  const touched = attentionTouched(positions, Uint32Array.of(0, 0, 1), heads);
  expect(touched).toEqual({ attended: 10, cached: 6, split: 0, entries: 0 });
  const long = attentionTouched(Uint32Array.of(3, 2 * CHUNK, CHUNK), Uint32Array.of(0, 1, 2), heads);
  expect(long).toMatchObject({ split: 2, entries: 5 });
});

test('even choices hit nearly all of few experts and as many as they are of many', () => {
  expect(expectedExperts(8, 1, 2)).toBe(2);
  expect(expectedExperts(8, 64, 2)).toBeCloseTo(8, 6);
  expect(expectedExperts(1e6, 4, 2)).toBeCloseTo(8, 3);
});
