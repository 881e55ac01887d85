import { afterAll, describe, expect, it } from 'vitest';
import { ContinuationScorer, type ScoringGroup } from '../../src/engine/continuation-scorer.ts';
import { Engine } from '../../src/engine/engine.ts';
import { greedy } from '../../src/engine/request.ts';
import type { ModelRunner, Route } from '../../src/model/runner.ts';
import { Transformer } from '../../src/model/transformer.ts';
import { createReferenceDevice } from '../../src/tensor/reference/reference-device.ts';
import { HashRunner } from '../support/hash-runner.ts';
import { tinyModel, tinyShard } from '../support/tiny-model.ts';

const base: Route = { shards: [] };

/** What the engine says of one sequence by itself. */
async function alone(
  runner: ModelRunner,
  { ids, from }: { ids: Uint32Array; from: number },
  route: Route,
): Promise<number> {
  const engine = new Engine(runner);
  const request = { prompt: ids, maxTokens: 0, sampling: greedy, stopTokens: [], route, promptLogprobs: 0 };
  let sum = 0;
  for await (const event of engine.generate(request)) {
    if (event.kind !== 'prompt') continue;
    for (const logprobs of event.logprobs.slice(from)) sum += logprobs?.logprob ?? Number.NaN;
  }
  await engine.close();
  return sum;
}

/** Questions of different lengths, options of one to five tokens, some of which begin alike. */
function groupsOf(count: number, vocabulary: number, routes: readonly Route[]): ScoringGroup[] {
  return Array.from({ length: count }, (_, n) => {
    const prompt = Array.from({ length: 1 + ((n * 13) % 29) }, (_, i) => (n * 31 + i * 7) % vocabulary);
    const sequences = Array.from({ length: 5 }, (_, option) => {
      const tail = Array.from(
        { length: 1 + ((n + option) % 5) },
        (_, i) => (i * 11 + (option >> 1) + n) % vocabulary,
      );
      return { ids: Uint32Array.from([...prompt, ...tail]), from: prompt.length };
    });
    return { sequences, route: routes[n % routes.length]! };
  });
}

async function expectAsAlone(runner: ModelRunner, groups: readonly ScoringGroup[]): Promise<void> {
  const scores = await new ContinuationScorer(runner, { logitBytes: 4 * runner.vocabularySize * 7 }).score(
    groups,
  );
  expect(scores).toHaveLength(groups.length);
  for (const [at, { sequences, route }] of groups.entries()) {
    for (const [one, sequence] of sequences.entries()) {
      expect(scores[at]?.[one]).toBe(await alone(runner, sequence, route));
    }
  }
}

describe('ContinuationScorer', () => {
  it('gives, bit for bit, what the engine says of each sequence by itself', async () => {
    const runner = new HashRunner({ pages: 24, maxBatchTokens: 16 });
    await expectAsAlone(runner, groupsOf(12, 61, [base]));
  });

  it('does so on the real forward pass with shards, several in a batch', async () => {
    const model = await tinyModel({ layers: 2, hiddenSize: 32, intermediateSize: 48, headSize: 8 });
    const device = createReferenceDevice();
    afterAll(() => device.dispose());
    const experts = { slots: 16, rank: 8 };
    const transformer = await Transformer.load(device, model.checkpoint, {
      maxBatchTokens: 48,
      pageSize: 4,
      pages: 64,
      experts,
      maxRoutes: 2,
    });
    const routes = await Promise.all(
      ['cardiovascular', 'neurology'].map(async (specialty, seed): Promise<Route> => {
        const shard = await transformer.experts.load(await tinyShard(model, { specialty, seed }));
        return { shards: [{ shard, prior: 1 }] };
      }),
    );
    await expectAsAlone(transformer, groupsOf(7, 256, [base, ...routes]));
  });

  it('computes what sequences have in common once', async () => {
    const runner = new HashRunner({ pageSize: 4, maxBatchTokens: 64 });
    const prompt = Array.from({ length: 42 }, (_, i) => i);
    const sequences = ['A', 'B', 'C', 'D', 'E'].map((_, letter) => {
      return { ids: Uint32Array.from([...prompt, 50 + letter]), from: prompt.length };
    });
    await new ContinuationScorer(runner).score([{ sequences, route: base }]);
    const tokens = runner.batches.reduce((sum, batch) => sum + batch.tokens.length, 0);
    const rows = runner.batches.reduce((sum, batch) => sum + batch.logitRows.length, 0);
    expect({ tokens, rows }).toEqual({ tokens: prompt.length, rows: 1 });
  });

  it('tells its progress, question by question', async () => {
    const runner = new HashRunner({ pages: 24 });
    const done: number[] = [];
    await new ContinuationScorer(runner).score(groupsOf(12, 61, [base]), (count) => done.push(count));
    expect(done.length).toBeGreaterThan(2);
    expect(done.toSorted((a, b) => a - b)).toEqual(done);
    expect(done.at(-1)).toBe(12);
  });

  it.each<[string, number[], string]>([
    ['too long for the model', Array.from({ length: 33 }, () => 1), 'context_length_exceeded'],
    ['of unknown tokens', [1, 61], 'invalid_request'],
  ])('refuses a sequence %s before it computes anything', async (_title, ids, code) => {
    const runner = new HashRunner({ maxPositions: 32 });
    const good = { sequences: [{ ids: Uint32Array.of(1, 2), from: 1 }], route: base };
    const bad = { sequences: [{ ids: Uint32Array.from(ids), from: 1 }], route: base };
    await expect(new ContinuationScorer(runner).score([good, bad])).rejects.toMatchObject({ code });
    expect(runner.batches).toHaveLength(0);
  });
});
