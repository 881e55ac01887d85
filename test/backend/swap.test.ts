/** A shard is replaced while requests run, on the real forward pass and the real expert pool. */
import { expect, it } from 'vitest';
import type { Completion } from '../../src/protocol/completions.ts';
import type { ForwardBatch, ModelRunner } from '../../src/model/runner.ts';
import { Transformer } from '../../src/model/transformer.ts';
import { createReferenceDevice } from '../../src/tensor/reference/reference-device.ts';
import { byteVocabulary } from '../support/byte-tokenizer.ts';
import { readJson, startTestHost, type TestHost } from '../support/test-host.ts';
import { tinyModel, tinyShardBytes } from '../support/tiny-model.ts';

const model = await tinyModel({
  vocabularySize: byteVocabulary,
  layers: 2,
  hiddenSize: 32,
  intermediateSize: 48,
  headSize: 8,
});
const files = await Promise.all(
  ['v1', 'v2'].map((version, seed) => tinyShardBytes(model, { version, seed: seed + 1, experts: 4 })),
);

/** The transformer, which stands still before its n-th pass from now when a test says so. */
class HoldableRunner implements ModelRunner {
  readonly vocabularySize: number;
  readonly maxPositions: number;
  readonly pageSize: number;
  readonly pages: number;
  readonly maxBatchTokens: number;
  readonly #model: Transformer;
  #hold: { passes: number; reached: () => void; opened: Promise<void> } | undefined;

  constructor(model: Transformer) {
    this.#model = model;
    this.vocabularySize = model.vocabularySize;
    this.maxPositions = model.maxPositions;
    this.pageSize = model.pageSize;
    this.pages = model.pages;
    this.maxBatchTokens = model.maxBatchTokens;
  }

  holdAfter(passes: number): { reached: Promise<void>; open: () => void } {
    const reached = Promise.withResolvers<void>();
    const opened = Promise.withResolvers<void>();
    this.#hold = { passes, reached: reached.resolve, opened: opened.promise };
    return { reached: reached.promise, open: opened.resolve };
  }

  async forward(batch: ForwardBatch): Promise<Float32Array> {
    const hold = this.#hold;
    if (hold && hold.passes-- === 0) {
      hold.reached();
      await hold.opened;
    }
    return this.#model.forward(batch);
  }
}

/** Room for two versions of four experts and not one expert more. */
async function startHost(): Promise<{
  host: TestHost;
  model: Transformer;
  runner: HoldableRunner;
}> {
  const transformer = await Transformer.load(createReferenceDevice(), model.checkpoint, {
    maxBatchTokens: 64,
    pageSize: 8,
    pages: 128,
    experts: { slots: 8, rank: 8 },
    maxRoutes: 32,
  });
  const runner = new HoldableRunner(transformer);
  const host = await startTestHost({ runner, pool: transformer.experts });
  return { host, model: transformer, runner };
}

async function ask(host: TestHost, version: string, n: number, tokens = 24): Promise<string> {
  const response = await host.post('/v1/completions', {
    model: 'sparsedoctor',
    prompt: `question ${n}`,
    max_tokens: tokens,
    temperature: 0,
    logprobs: 0,
    ignore_eos: true,
    sparsedoctor: { shards: [{ name: 'cardiovascular', version, prior: 1 }] },
  });
  if (response.status !== 200) return `status ${response.status}`;
  const { choices } = await readJson<Completion>(response);
  return JSON.stringify(choices[0]!.logprobs);
}

it('lets requests in flight finish on their version while another takes over, and frees the old one', async () => {
  const { host, model, runner } = await startHost();
  const { shards, engine } = host;
  await shards.add(files[0]!);
  const expectedOld = await Promise.all([0, 1, 2, 3].map((n) => ask(host, 'v1', n)));
  // The first have begun their answers when the model stands still; the others wait or have too.
  const { reached, open } = runner.holdAfter(12);
  const old = [0, 1, 2, 3].map((n) => ask(host, 'v1', n));
  await reached;
  await expect.poll(() => shards.resident()[0]!.leases).toBe(4);
  expect(await ask(host, 'v2', 0, 1)).toBe('status 409');
  await shards.add(files[1]!, { local: false });
  shards.retire({ specialty: 'cardiovascular', version: 'v1' });
  expect(shards.resident().map((shard) => [shard.version, shard.leases])).toEqual([
    ['v1', 4],
    ['v2', 0],
  ]);
  open();
  const young = [0, 1, 2, 3].map((n) => ask(host, 'v2', n));

  expect(await Promise.all(old)).toEqual(expectedOld);
  const newAnswers = await Promise.all(young);
  expect(newAnswers).toEqual(await Promise.all([0, 1, 2, 3].map((n) => ask(host, 'v2', n))));
  expect(newAnswers).not.toEqual(expectedOld);
  await expect.poll(() => shards.resident().map((shard) => shard.version)).toEqual(['v2']);
  expect(await ask(host, 'v1', 0)).toBe('status 409');

  // Back again: the freed slots are taken, and the old version answers as before.
  expect(model.experts.freeSlots).toBe(4);
  await shards.add(files[0]!);
  expect(await ask(host, 'v1', 0)).toBe(expectedOld[0]);
  expect(engine.stats()).toMatchObject({ alive: true });
  await host.host.close();
});
