/**
 * Serving on WebGPU as a fixed stream of commands: what a step needs is made once. On Dawn's null backend, which computes
 * nothing but takes every call.
 */
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { create, globals } from 'webgpu';
import { Engine } from '../../src/engine/engine.ts';
import { greedy } from '../../src/engine/request.ts';
import type { StepResult } from '../../src/model/runner.ts';
import { Transformer } from '../../src/model/transformer.ts';
import { createWebgpuDevice } from '../../src/tensor/webgpu/webgpu-device.ts';
import { tinyModel, tinyShard } from '../support/tiny-model.ts';

const kernels = new URL('../../kernels/', import.meta.url);

/**
 * A GPU whose device counts what it is asked to make, and tells the order of its work. The n-th read waits for
 * `arrival(n)`.
 */
function countingGpu(arrival: (read: number) => Promise<void> = async () => {}): {
  gpu: GPU;
  made: Record<'buffers' | 'groups' | 'pipelines' | 'writes', number>;
  log: ('compute' | 'arrived')[];
} {
  const log: ('compute' | 'arrived')[] = [];
  let reads = 0;
  Object.assign(globalThis, globals);
  const gpu = create(['backend=null']);
  const made = { buffers: 0, groups: 0, pipelines: 0, writes: 0 };
  const requestAdapter = gpu.requestAdapter.bind(gpu);
  gpu.requestAdapter = async (options) => {
    const adapter = await requestAdapter(options);
    if (!adapter) return null;
    const requestDevice = adapter.requestDevice.bind(adapter);
    adapter.requestDevice = async (descriptor) => {
      const device = await requestDevice(descriptor);
      const createBuffer = device.createBuffer.bind(device);
      const createBindGroup = device.createBindGroup.bind(device);
      const createComputePipelineAsync = device.createComputePipelineAsync.bind(device);
      const writeBuffer = device.queue.writeBuffer.bind(device.queue);
      device.createBuffer = (...args) => {
        made.buffers++;
        const buffer = createBuffer(...args);
        const mapAsync = buffer.mapAsync.bind(buffer);
        buffer.mapAsync = async (...range) => {
          const read = (reads += 1);
          await mapAsync(...range);
          await arrival(read);
          log.push('arrived');
          return undefined;
        };
        return buffer;
      };
      const createCommandEncoder = device.createCommandEncoder.bind(device);
      device.createCommandEncoder = (...args) => {
        const encoder = createCommandEncoder(...args);
        const beginComputePass = encoder.beginComputePass.bind(encoder);
        encoder.beginComputePass = (...pass) => {
          log.push('compute');
          return beginComputePass(...pass);
        };
        return encoder;
      };
      device.createBindGroup = (...args) => {
        made.groups++;
        return createBindGroup(...args);
      };
      device.createComputePipelineAsync = (...args) => {
        made.pipelines++;
        return createComputePipelineAsync(...args);
      };
      device.queue.writeBuffer = (...args) => {
        made.writes++;
        Reflect.apply(writeBuffer, undefined, args);
        return undefined;
      };
      return device;
    };
    return adapter;
  };
  return { gpu, made, log };
}

async function openModel(gpu: GPU) {
  const device = await createWebgpuDevice({
    gpu,
    loadShader: (path) => readFile(new URL(path, kernels), 'utf8'),
    allowFallbackAdapter: true,
  });
  const tiny = await tinyModel({ layers: 2 });
  const model = await Transformer.load(device, tiny.checkpoint, {
    maxBatchTokens: 16,
    pageSize: 4,
    pages: 64,
    experts: { slots: 12, rank: 4 },
    maxExpertsPerRoute: 12,
    maxRoutes: 4,
    maxLogitRows: 16,
  });
  return { device, tiny, model };
}

test('a step of decoding makes no buffer and no bind group, no pipeline after `compile`, and writes twice at most', async () => {
  const { gpu, made } = countingGpu();
  const { device, tiny, model } = await openModel(gpu);
  const shards = await Promise.all(
    ['cardiovascular', 'neurology'].map(async (specialty, seed) =>
      model.experts.load(await tinyShard(tiny, { specialty, seed })),
    ),
  );
  const withShards = { shards: shards.map((shard) => ({ shard, prior: 1 })) };
  /** Every sequence `tokens` tokens further. */
  const step = (sequences: number, position: number, tokens = 1): Promise<StepResult> => {
    const maxPages = Math.ceil((position + tokens) / 4);
    const rows = Array.from({ length: sequences * tokens }, (_, i) => i);
    return model.step({
      tokens: Uint32Array.from(rows, (i) => (position + i) % 256),
      positions: Uint32Array.from(rows, (i) => position + (i % tokens)),
      sequences: Uint32Array.from(rows, (i) => Math.floor(i / tokens)),
      pageTable: Uint32Array.from({ length: sequences * maxPages }, (_, i) => i % 32),
      maxPages,
      routeOfToken: Uint32Array.from(rows, (i) => Math.floor(i / tokens) % 2),
      routes: [withShards, { shards: [] }],
      logitRows: new Uint32Array(0),
      carried: false,
      draws: Array.from({ length: sequences }, (_, sequence) => ({
        after: (sequence + 1) * tokens - 1,
        sampling: { ...greedy, temperature: 1, topK: 40, topP: 0.9, repetitionPenalty: 1.1 },
        uniform: 0.5,
        seen: Uint32Array.from({ length: 2 * position }, (_, i) => (i % 2 ? 1 : i / 2)),
      })),
    });
  };
  await model.compile();
  const { pipelines } = made;
  expect(pipelines).toBeGreaterThan(0);
  // Each tile of the products once: then nothing is left to make.
  await step(2, 0, 8);
  for (const sequences of [1, 3, 6]) await step(sequences, 8);
  // Long enough to be split.
  await step(1, 200);
  expect(made.pipelines).toBe(pipelines);
  expect(made.buffers).toBeGreaterThan(0);
  expect(made.groups).toBeGreaterThan(0);
  const before = { ...made };
  let steps = 0;
  for (let position = 9; position < 25; position++) {
    // Requests come and go, and tables grow.
    await step(1 + (position % 6), position);
    steps++;
  }
  expect({ ...made, writes: 0 }).toEqual({ ...before, writes: 0 });
  const writes = made.writes - before.writes;
  expect(writes).toBeGreaterThanOrEqual(steps);
  expect(writes).toBeLessThanOrEqual(2 * steps);
  await device.dispose();
});

test('a step is sent before the tokens of the one before have arrived', async () => {
  const steps = 5;
  // Tokens of a step arrive only when the next one is sent: an engine that waits for them would wait for ever.
  const { gpu, log, made } = countingGpu(async (read) => {
    if (read % steps === 0) return;
    while (log.filter((one) => one === 'compute').length < read + 1) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  });
  const { device, model } = await openModel(gpu);
  const engine = new Engine(model);
  const generate = async (): Promise<void> => {
    const prompt = Uint32Array.of(1, 2, 3);
    const request = { prompt, maxTokens: steps, sampling: greedy, stopTokens: [], route: { shards: [] } };
    for await (const event of engine.generate(request)) expect(event.kind).not.toBe('prompt');
  };
  await generate();
  const before = { ...made };
  await generate();
  const step = ['compute', 'arrived'];
  const once = ['compute', ...Array.from({ length: steps - 1 }, () => step).flat(), 'arrived'];
  expect(log).toEqual([...once, ...once]);
  expect({ ...made, writes: 0 }).toEqual({ ...before, writes: 0 });
  await device.dispose();
});
