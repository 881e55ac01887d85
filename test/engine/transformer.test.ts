/** The engine on the real forward pass: what the others' tests show of a stand-in model has to hold for it too. */
import { afterAll, describe, expect, it } from 'vitest';
import { Engine } from '../../src/engine/engine.ts';
import { greedy, type GenerateRequest, type TokenEvent } from '../../src/engine/request.ts';
import type { Route } from '../../src/model/runner.ts';
import { Transformer } from '../../src/model/transformer.ts';
import { createReferenceDevice } from '../../src/tensor/reference/reference-device.ts';
import { countDispatches } from '../support/counted-device.ts';
import { tinyModel, tinyShard } from '../support/tiny-model.ts';

const model = await tinyModel({ layers: 2, hiddenSize: 32, intermediateSize: 48, headSize: 8 });
const device = createReferenceDevice();
const sizes = { maxBatchTokens: 48, pageSize: 4, pages: 64, experts: { slots: 16, rank: 8 }, maxRoutes: 8 };
const transformer = await Transformer.load(device, model.checkpoint, sizes);
const shards = await Promise.all(
  ['cardiovascular', 'neurology'].map(async (specialty, seed) =>
    transformer.experts.load(await tinyShard(model, { specialty, seed })),
  ),
);
const routes: Route[] = [
  { shards: [] },
  { shards: [{ shard: shards[0]!, prior: 1 }] },
  { shards: shards.map((shard, n) => ({ shard, prior: n === 0 ? 0.75 : 0.25 })) },
];

afterAll(() => device.dispose());

function request(n: number, change: Partial<GenerateRequest> = {}): GenerateRequest {
  return {
    prompt: Uint32Array.from({ length: 3 + ((n * 5) % 17) }, (_, i) => (n * 31 + i * 7) % 256),
    maxTokens: 6,
    sampling: { ...greedy, temperature: 1, topP: 0.9, seed: n },
    stopTokens: [],
    route: routes[n % 3]!,
    promptLogprobs: 1,
    logprobs: 1,
    ...change,
  };
}

async function collect(events: AsyncIterable<TokenEvent>): Promise<TokenEvent[]> {
  const all: TokenEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

const alone: TokenEvent[][] = [];
for (let n = 0; n < 6; n++) alone.push(await collect(new Engine(transformer).generate(request(n))));

describe('Engine on the transformer', () => {
  it.each([
    ['in a crowd', {}, 1],
    ['with prompts in small chunks', { prefillTokens: 5 }, 1],
    ['in a crowd twice as large as fits', { maxSequences: 3 }, 2],
  ])('gives the same tokens and log probabilities, bit for bit, %s', async (_title, options, copies) => {
    const engine = new Engine(transformer, options);
    const asked = Array.from({ length: 6 * copies }, (_, n) => n % 6);
    const together = await Promise.all(asked.map((n) => collect(engine.generate(request(n)))));
    expect(together).toEqual(asked.map((n) => alone[n]));
  });

  it('recomputes displaced sequences to the same result', async () => {
    const tight = await Transformer.load(createReferenceDevice(), model.checkpoint, { ...sizes, pages: 10 });
    const asked = [0, 3, 4].map((n) => request(n, { route: routes[0]!, maxTokens: 12 }));
    const run = (engine: Engine): Promise<TokenEvent[][]> =>
      Promise.all(asked.map((one) => collect(engine.generate(one))));
    const engine = new Engine(tight);
    const actual = await run(engine);
    expect(engine.stats().preemptions).toBeGreaterThan(0);
    expect(actual).toEqual(await run(new Engine(transformer)));
  });

  it.each([256, 640])('reads back eight bytes a row and step of %i tokens', async (vocabularySize) => {
    const counted = countDispatches(createReferenceDevice());
    const wide = await tinyModel({ layers: 1, hiddenSize: 32, intermediateSize: 48, vocabularySize });
    const engine = new Engine(await Transformer.load(counted, wide.checkpoint, sizes));
    const asked = [0, 1, 2].map((n): GenerateRequest => {
      const { promptLogprobs: _, ...rest } = request(n, { route: routes[0]!, logprobs: 0 });
      const sampling = { temperature: n / 2, topK: 20, topP: 0.9, repetitionPenalty: 1.1, seed: n };
      return { ...rest, sampling: { ...greedy, ...sampling } };
    });
    counted.takeReads();
    await Promise.all(asked.map((one) => collect(engine.generate(one))));
    const plain = counted.takeReads();
    expect(plain).toEqual(Array.from({ length: 6 }, () => 3 * 8));
    // One that asks for alternatives: its own row, beside the others' tokens.
    const [first, ...others] = asked;
    await Promise.all([{ ...first!, logprobs: 2 }, ...others].map((one) => collect(engine.generate(one))));
    const row = 4 * vocabularySize;
    expect(counted.takeReads()).toEqual(Array.from({ length: 6 }, () => [3 * 8, row]).flat());
  });

  it('lets the route decide', async () => {
    const engine = new Engine(transformer);
    const results = await Promise.all(routes.map((route) => collect(engine.generate(request(1, { route })))));
    const scores = results.map(([first]) => JSON.stringify(first));
    expect(new Set(scores).size).toBe(3);
  });

  it('runs no more requests at once than the model takes routes', () => {
    expect(new Engine(transformer, { maxSequences: 40 }).stats().maxSequences).toBe(sizes.maxRoutes);
  });

  it('refuses a route with more experts than the model was made for', async () => {
    const narrow = await Transformer.load(createReferenceDevice(), model.checkpoint, {
      ...sizes,
      maxExpertsPerRoute: 4,
    });
    expect(() => new Engine(narrow).generate(request(2))).toThrow(
      expect.objectContaining({ code: 'too_many_experts' }),
    );
  });
});
