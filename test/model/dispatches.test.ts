/**
 * The dispatch budget: a GPU pays for each dispatch however little it does, so their number must not grow with experts,
 * shards, requests or tokens.
 */
import { afterAll, describe, expect, test } from 'vitest';
import { CHUNK } from '../../kernels/attention-work.ts';
import { Transformer } from '../../src/model/transformer.ts';
import type { Route } from '../../src/model/runner.ts';
import { createWasmDevice } from '../../src/tensor/wasm/node.ts';
import { createNodeWebgpuDevice } from '../../src/tensor/webgpu/node.ts';
import { countDispatches } from '../support/counted-device.ts';
import { runModel } from '../support/run-model.ts';
import { tinyModel, tinyShard } from '../support/tiny-model.ts';

const BUDGET = 10;
const LAYERS = 2;

const tiny = await tinyModel({ layers: LAYERS });
const device = countDispatches(await createWasmDevice({ threads: 1 }));
const model = await Transformer.load(device, tiny.checkpoint, {
  maxBatchTokens: 32,
  pageSize: 4,
  pages: 64,
  experts: { slots: 24, rank: 5 },
  maxExpertsPerRoute: 24,
  maxRoutes: 8,
});
const specialties = ['cardiovascular', 'neurology', 'oncology', 'tcm'];
const shards = await Promise.all(
  specialties.map(async (specialty, seed) =>
    model.experts.load(await tinyShard(tiny, { specialty, seed, experts: 4 + (seed % 2), topK: 1 + seed })),
  ),
);
afterAll(() => device.dispose());

const base: Route = { shards: [] };
const routeOf = (...chosen: readonly number[]): Route => ({
  shards: chosen.map((index) => ({ shard: shards[index]!, prior: 1 + index })),
});

/** Dispatches a layer of each forward: the rest are the embedding, and the gathering and the product of the head. */
async function dispatchesPerLayer(
  routes: readonly Route[],
  tokens: number,
  chunk: number,
): Promise<number[]> {
  device.takeKernels();
  const counts: number[] = [];
  const counted = {
    vocabularySize: model.vocabularySize,
    maxPositions: model.maxPositions,
    pageSize: model.pageSize,
    pages: model.pages,
    maxBatchTokens: model.maxBatchTokens,
    async forward(batch: Parameters<Transformer['forward']>[0]): Promise<Float32Array> {
      const logits = await model.forward(batch);
      const kernels = device.takeKernels();
      expect(kernels.filter((name) => name === 'embedding')).toHaveLength(2);
      counts.push((kernels.length - 3) / LAYERS);
      expect(model.dispatchesPerLayer).toBe(counts.at(-1));
      return logits;
    },
  };
  const sequences = routes.map((route, i) => ({
    tokens: Uint32Array.from({ length: tokens }, (_, at) => (at * 7 + i) % 256),
    route,
  }));
  await runModel(counted, sequences, chunk);
  expect(counts).toHaveLength(Math.ceil(tokens / chunk));
  return counts;
}

const batches: readonly (readonly [string, readonly Route[]])[] = [
  ['one shard', [routeOf(0)]],
  ['three shards', [routeOf(0, 1, 2)]],
  ['four requests, each with its own shard', [0, 1, 2, 3].map((shard) => routeOf(shard))],
  ['requests with none, one and three shards', [base, routeOf(1), routeOf(0, 2, 3)]],
];

describe.each([
  ['decoding', 3, 1],
  ['reading prompts', 6, 6],
])('%s', (_title, tokens, chunk) => {
  test.each(batches)(
    '%s: within the budget, and as many as any other batch with experts',
    async (_, routes) => {
      const counts = await dispatchesPerLayer(routes, tokens, chunk);
      expect(counts).toEqual(counts.map(() => 9));
      expect(Math.max(...counts)).toBeLessThanOrEqual(BUDGET);
    },
  );

  test.each([1, 4])(
    '%i requests without shards take two fewer, whatever lies in the pool',
    async (requests) => {
      const counts = await dispatchesPerLayer(
        Array.from({ length: requests }, () => base),
        tokens,
        chunk,
      );
      expect(counts).toEqual(counts.map(() => 7));
    },
  );
});

describe('on a GPU, where attention is split over long sequences,', async () => {
  // It computes nothing, but takes every call.
  const gpu = countDispatches(await createNodeWebgpuDevice({ backend: 'null', allowFallbackAdapter: true }));
  const onGpu = await Transformer.load(gpu, tiny.checkpoint, {
    maxBatchTokens: 32,
    pageSize: 16,
    pages: 64,
    experts: { slots: 8, rank: 5 },
    maxExpertsPerRoute: 8,
    maxRoutes: 4,
  });
  const shard = await onGpu.experts.load(await tinyShard(tiny, { experts: 4 }));
  const expert: Route = { shards: [{ shard, prior: 1 }] };
  afterAll(() => gpu.dispose());

  test.each([
    ['tokens that see one chunk take one dispatch', [CHUNK - 1, 3], 9, 0],
    ['a token that sees more takes a second', [CHUNK], 10, 1],
    ['so do many', [CHUNK, 2 * CHUNK + 9, 7, 3 * CHUNK], 10, 1],
  ])('%s', async (_, positions, dispatches, combines) => {
    const maxPages = Math.ceil((Math.max(...positions) + 1) / 16);
    await onGpu.forward({
      tokens: Uint32Array.from(positions, (position) => position % 256),
      positions: Uint32Array.from(positions),
      sequences: Uint32Array.from(positions.keys()),
      pageTable: Uint32Array.from({ length: positions.length * maxPages }, (__, i) => i % 64),
      maxPages,
      routeOfToken: Uint32Array.from(positions, () => 0),
      routes: [expert],
      logitRows: Uint32Array.from([0]),
    });
    const combined = gpu.takeKernels().filter((name) => name === 'attention_combine');
    expect(combined).toHaveLength(combines * LAYERS);
    expect(onGpu.dispatchesPerLayer).toBe(dispatches);
    expect(dispatches).toBeLessThanOrEqual(BUDGET);
  });
});
