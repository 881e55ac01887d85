import { describe, expect, it } from 'vitest';
import { CallerError, InternalError } from '../../src/base/errors.ts';
import { createRandom } from '../../src/base/random.ts';
import { Engine } from '../../src/engine/engine.ts';
import { greedy, type GenerateRequest, type TokenEvent } from '../../src/engine/request.ts';
import type { ResidentShard, Route } from '../../src/model/runner.ts';
import { expectedGreedy, expectedLogits, HashRunner } from '../support/hash-runner.ts';

const base: Route = { shards: [] };
const sampled = { ...greedy, temperature: 1.3, topP: 0.95 };

function shard(specialty: string, version = '1'): ResidentShard {
  return { specialty, version, bytes: 1 };
}

function ask(prompt: number[], change: Partial<GenerateRequest> = {}): GenerateRequest {
  return {
    prompt: Uint32Array.from(prompt),
    maxTokens: 8,
    sampling: greedy,
    stopTokens: [],
    route: base,
    ...change,
  };
}

async function collect(events: AsyncIterable<TokenEvent>): Promise<TokenEvent[]> {
  const all: TokenEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

function tokensOf(events: readonly TokenEvent[]): number[] {
  return events.flatMap((event) => (event.kind === 'token' ? [event.token] : []));
}

function randomPrompts(count: number, seed: number, longest = 40): number[][] {
  const random = createRandom(seed);
  return Array.from({ length: count }, () =>
    Array.from({ length: 1 + random.integer(longest) }, () => random.integer(61)),
  );
}

/** Holds the model's forward passes until the test opens it; `entered` tells that one has begun. */
function gate(): { before: () => Promise<void>; entered: Promise<void>; open: () => void } {
  const entered = Promise.withResolvers<void>();
  const opened = Promise.withResolvers<void>();
  return {
    before: () => {
      entered.resolve();
      return opened.promise;
    },
    entered: entered.promise,
    open: opened.resolve,
  };
}

describe('Engine', () => {
  it('generates what the model says, token by token, across page borders', async () => {
    const engine = new Engine(new HashRunner());
    const events = await collect(engine.generate(ask([5, 6, 7], { maxTokens: 30 })));
    expect(tokensOf(events)).toEqual(expectedGreedy([5, 6, 7], 30, base, 61));
    expect(events.at(-1)).toEqual({
      kind: 'finish',
      reason: 'length',
      promptTokens: 3,
      completionTokens: 30,
    });
  });

  it('ends at a stop token without delivering it, but counts it', async () => {
    const all = expectedGreedy([1, 2], 8, base, 61);
    const stop = all.find((token, index) => index > 0 && !all.slice(0, index).includes(token))!;
    const before = all.slice(0, all.indexOf(stop));
    const events = await collect(new Engine(new HashRunner()).generate(ask([1, 2], { stopTokens: [stop] })));
    expect(tokensOf(events)).toEqual(before);
    expect(events.at(-1)).toMatchObject({ reason: 'stop', completionTokens: before.length + 1 });
  });

  it('gives the same sampled tokens alone and in a crowd with other routes', async () => {
    const prompts = randomPrompts(24, 1);
    const routes: Route[] = [
      base,
      { shards: [{ shard: shard('a'), prior: 1 }] },
      {
        shards: [
          { shard: shard('a', '2'), prior: 0.5 },
          { shard: shard('b'), prior: 0.5 },
        ],
      },
    ];
    const requests = prompts.map((prompt, n) =>
      ask(prompt, { maxTokens: 20, sampling: { ...sampled, seed: n }, route: routes[n % 3]! }),
    );
    const alone: number[][] = [];
    for (const request of requests) {
      alone.push(tokensOf(await collect(new Engine(new HashRunner()).generate(request))));
    }
    const crowd = new Engine(new HashRunner({ maxBatchTokens: 24 }), { maxSequences: 7, prefillTokens: 9 });
    const together = await Promise.all(requests.map((request) => collect(crowd.generate(request))));
    expect(together.map(tokensOf)).toEqual(alone);
    expect(new Set(alone.map((tokens) => tokens.join())).size).toBeGreaterThan(20);
  });

  it('shares one route entry among requests with the same shards and priors', async () => {
    const runner = new HashRunner();
    const engine = new Engine(runner);
    const same = shard('a');
    const requests = [1, 2, 3].map((n) => ask([n], { route: { shards: [{ shard: same, prior: 1 }] } }));
    await Promise.all([...requests, ask([4])].map((request) => collect(engine.generate(request))));
    expect(runner.batches[0]!.routes).toHaveLength(2);
  });

  it('is the same under memory pressure, where sequences are displaced and recomputed', async () => {
    const prompts = randomPrompts(16, 2, 12);
    const requests = prompts.map((prompt, n) =>
      ask(prompt, { maxTokens: 30, sampling: { ...sampled, seed: n } }),
    );
    const roomy = new Engine(new HashRunner());
    const expected = await Promise.all(requests.map((request) => collect(roomy.generate(request))));
    const tight = new Engine(new HashRunner({ pages: 14 }));
    const actual = await Promise.all(requests.map((request) => collect(tight.generate(request))));
    expect(actual).toEqual(expected);
    expect(tight.stats().preemptions).toBeGreaterThan(0);
    expect(tight.stats()).toMatchObject({ running: 0, waiting: 0, freePages: 14 });
  });

  it.each([1, 3, 4, 7, 64])('prefills in chunks of %i as in one piece', async (prefillTokens) => {
    const prompt = randomPrompts(1, 3, 1)[0]!.concat(Array.from({ length: 49 }, (_, n) => (n * 7) % 61));
    const runner = new HashRunner();
    const engine = new Engine(runner, { prefillTokens });
    const events = await collect(engine.generate(ask(prompt)));
    expect(tokensOf(events)).toEqual(expectedGreedy(prompt, 8, base, 61));
    expect(Math.max(...runner.batches.map((batch) => batch.tokens.length))).toBe(Math.min(prefillTokens, 50));
  });

  it('lets others decode while a long prompt is prefilled', async () => {
    const runner = new HashRunner();
    const engine = new Engine(runner, { prefillTokens: 5 });
    await Promise.all([
      collect(engine.generate(ask([1], { maxTokens: 10 }))),
      collect(engine.generate(ask(Array.from({ length: 40 }, (_, n) => n)))),
    ]);
    const mixed = runner.batches.filter(
      (batch) => new Set(batch.sequences).size === 2 && batch.tokens.length === 6,
    );
    expect(mixed.length).toBeGreaterThanOrEqual(5);
  });

  it.each([
    ['in one chunk', {}, {}],
    ['in chunks', {}, { prefillTokens: 3 }],
    ['with few rows of logits per step', {}, { logitBytes: 1, maxSequences: 2 }],
    ['under memory pressure', { pages: 12 }, {}],
  ])('scores every prompt token %s', async (_title, runnerOptions, engineOptions) => {
    const prompts = randomPrompts(6, 4, 12);
    const engine = new Engine(new HashRunner(runnerOptions), engineOptions);
    const results = await Promise.all(
      prompts.map((prompt) =>
        collect(engine.generate(ask(prompt, { maxTokens: 25, promptLogprobs: 2, logprobs: 1 }))),
      ),
    );
    for (const [n, prompt] of prompts.entries()) {
      const [first, ...rest] = results[n]!;
      if (first?.kind !== 'prompt') throw new Error('the prompt event comes first');
      expect(first.logprobs).toHaveLength(prompt.length);
      expect(first.logprobs[0]).toBeNull();
      const scored = [...prompt, ...tokensOf(rest)];
      const logprobs = [
        ...first.logprobs,
        ...rest.flatMap((event) => (event.kind === 'token' ? [event.logprobs] : [])),
      ];
      for (let position = 1; position < scored.length; position++) {
        const logits = [...expectedLogits(scored.slice(0, position), base, 61)];
        const normaliser = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0));
        expect(logprobs[position]!.token).toBe(scored[position]);
        expect(logprobs[position]!.logprob).toBeCloseTo(logits[scored[position]!]! - normaliser, 4);
        expect(logprobs[position]!.top[0]!.logprob).toBeCloseTo(Math.max(...logits) - normaliser, 4);
      }
    }
  });

  it('asks for no more rows of logits per step than it is given memory for', async () => {
    const runner = new HashRunner();
    const engine = new Engine(runner, { maxSequences: 2, logitBytes: 5 * 61 * 4 });
    const request = ask(
      Array.from({ length: 40 }, (_, n) => n),
      { promptLogprobs: 0 },
    );
    await Promise.all([collect(engine.generate(request)), collect(engine.generate(request))]);
    expect(Math.max(...runner.batches.map((batch) => batch.logitRows.length))).toBe(5);
  });

  it('refuses a route that the model cannot take, before it meets other requests', () => {
    class Picky extends HashRunner {
      checkRoute(route: Route): void {
        if (route.shards.length > 0) throw new CallerError('too_many_experts', 'Name fewer shards.');
      }
    }
    const route = { shards: [{ shard: shard('a'), prior: 1 }] };
    expect(() => new Engine(new Picky()).generate(ask([1], { route }))).toThrow('fewer');
  });

  it('only scores when no token is asked for', async () => {
    const engine = new Engine(new HashRunner());
    const events = await collect(engine.generate(ask([1, 2, 3], { maxTokens: 0, promptLogprobs: 0 })));
    expect(events.map((event) => event.kind)).toEqual(['prompt', 'finish']);
    expect(events.at(-1)).toMatchObject({ reason: 'length', completionTokens: 0 });
  });

  it('ends at the context length', async () => {
    const engine = new Engine(new HashRunner({ maxPositions: 10 }));
    const events = await collect(engine.generate(ask([1, 2, 3], { maxTokens: 100 })));
    expect(tokensOf(events)).toHaveLength(7);
    expect(events.at(-1)).toMatchObject({ reason: 'length' });
  });

  it.each([
    ['an empty prompt', [], 'invalid_request'],
    ['a token beyond the vocabulary', [61], 'invalid_request'],
    ['a prompt that leaves no room', Array.from({ length: 256 }, () => 1), 'context_length_exceeded'],
  ])('refuses %s', (_title, prompt, code) => {
    const engine = new Engine(new HashRunner());
    expect(() => engine.generate(ask(prompt))).toThrow(expect.objectContaining({ code }));
  });

  it('refuses a prompt that can never fit the cache', () => {
    const engine = new Engine(new HashRunner({ pages: 2 }));
    expect(() => engine.generate(ask([1, 2, 3, 4, 5, 6, 7, 8]))).toThrow(
      expect.objectContaining({ code: 'context_length_exceeded' }),
    );
  });

  it('draws different seeds for requests without one, and repeats with one', async () => {
    const engine = new Engine(new HashRunner());
    const run = (seed: number | undefined): Promise<string> =>
      collect(engine.generate(ask([9], { sampling: { ...sampled, seed } }))).then((events) =>
        tokensOf(events).join(),
      );
    expect(await run(5)).toBe(await run(5));
    expect(await run(undefined)).not.toBe(await run(undefined));
  });
});

describe('Engine: ends', () => {
  it('takes a cancelled request out before the next step and frees its pages', async () => {
    const { before, entered, open } = gate();
    const runner = new HashRunner({ before });
    const engine = new Engine(runner);
    const abort = new AbortController();
    let released = 0;
    const doomed = engine.generate(
      ask([1, 2, 3, 4, 5], { maxTokens: 200, onReleased: () => (released += 1) }),
      abort.signal,
    );
    const first = doomed.next();
    await entered;
    abort.abort();
    await expect(first).rejects.toMatchObject({ code: 'cancelled' });
    // The forward pass still reads the route.
    expect(released).toBe(0);
    open();
    await expect.poll(() => engine.stats()).toMatchObject({ running: 0, freePages: 256 });
    expect(released).toBe(1);
    expect(runner.batches).toHaveLength(1);
    expect(engine.stats().generatedTokens).toBe(0);
  });

  it('takes a request out whose reader leaves', async () => {
    const engine = new Engine(new HashRunner());
    for await (const event of engine.generate(ask([1], { maxTokens: 200 }))) {
      if (event.kind === 'token') break;
    }
    await expect.poll(() => engine.stats()).toMatchObject({ running: 0, freePages: 256 });
    expect(engine.stats().generatedTokens).toBeLessThan(10);
  });

  it('does not start a request whose signal is aborted already', async () => {
    const runner = new HashRunner();
    let released = 0;
    const events = new Engine(runner).generate(
      ask([1], { onReleased: () => (released += 1) }),
      AbortSignal.abort(),
    );
    await expect(collect(events)).rejects.toMatchObject({ code: 'cancelled' });
    expect(runner.batches).toHaveLength(0);
    expect(released).toBe(1);
  });

  it('refuses what the waiting queue cannot hold, and takes it again later', async () => {
    const { before, entered, open } = gate();
    const engine = new Engine(new HashRunner({ before }), { maxSequences: 1, maxWaiting: 2 });
    const first = collect(engine.generate(ask([1])));
    await entered;
    const second = collect(engine.generate(ask([2])));
    const third = collect(engine.generate(ask([3])));
    expect(() => engine.generate(ask([4]))).toThrow(expect.objectContaining({ code: 'overloaded' }));
    open();
    await Promise.all([first, second, third]);
    expect(tokensOf(await collect(engine.generate(ask([4]))))).toEqual(expectedGreedy([4], 8, base, 61));
  });

  it('fails the requests of a failed step and goes on with the next', async () => {
    let failures = 1;
    const runner = new HashRunner({
      before: () => {
        if (failures-- > 0) throw new Error('device lost');
      },
    });
    const engine = new Engine(runner);
    const failed = collect(engine.generate(ask([1])));
    await expect(failed).rejects.toBeInstanceOf(InternalError);
    expect(tokensOf(await collect(engine.generate(ask([1]))))).toEqual(expectedGreedy([1], 8, base, 61));
    expect(engine.stats()).toMatchObject({ alive: true, freePages: 256 });
  });

  it('reports itself dead after failures in a row and refuses more', async () => {
    const runner = new HashRunner({
      before: () => {
        throw new Error('device lost');
      },
    });
    const engine = new Engine(runner, { maxFailures: 2, maxSequences: 1 });
    const results = await Promise.allSettled([1, 2, 3].map((n) => collect(engine.generate(ask([n])))));
    expect(results.map((result) => result.status)).toEqual(['rejected', 'rejected', 'rejected']);
    await expect.poll(() => engine.stats()).toMatchObject({ alive: false, freePages: 256, waiting: 0 });
    expect(() => engine.generate(ask([1]))).toThrow(expect.objectContaining({ code: 'engine_stopped' }));
  });

  it('ends by a failure of its runner: what runs, waits and comes hears the reason, and so does its owner', async () => {
    const { before, entered, open } = gate();
    const engine = new Engine(new HashRunner({ before }), { maxSequences: 1 });
    const requests = [1, 2].map((n) => collect(engine.generate(ask([n]))));
    await entered;
    const reason = new InternalError('device_lost', 'the GPU is gone');
    engine.fail(reason);
    expect(engine.stats().alive).toBe(false);
    for (const request of requests) await expect(request).rejects.toBe(reason);
    expect(() => engine.generate(ask([3]))).toThrow(reason);
    expect(await engine.failed).toBe(reason);
    open();
    await engine.close();
    expect(engine.stats()).toMatchObject({ running: 0, waiting: 0, freePages: 256 });
  });

  it('fails only the request whose logits are not finite', async () => {
    class Broken extends HashRunner {
      override async forward(batch: Parameters<HashRunner['forward']>[0]): Promise<Float32Array> {
        const logits = await super.forward(batch);
        const row = batch.logitRows.findIndex((t) => batch.tokens[t] === 60);
        if (row >= 0) logits[row * this.vocabularySize] = NaN;
        return logits;
      }
    }
    const engine = new Engine(new Broken());
    const bad = collect(engine.generate(ask([60])));
    const good = collect(engine.generate(ask([1], { maxTokens: 3 })));
    await expect(bad).rejects.toMatchObject({ code: 'not_finite' });
    expect(tokensOf(await good)).toEqual(expectedGreedy([1], 3, base, 61));
  });

  it('ends open requests on close and waits for the running step', async () => {
    const { before, entered, open } = gate();
    const engine = new Engine(new HashRunner({ before }));
    const open1 = collect(engine.generate(ask([1])));
    await entered;
    const closed = engine.close();
    await expect(open1).rejects.toMatchObject({ code: 'engine_stopped' });
    open();
    await closed;
    expect(engine.stats()).toMatchObject({ alive: false, running: 0, freePages: 256 });
    expect(() => engine.generate(ask([1]))).toThrow(InternalError);
  });

  it('gives CallerError for overload, so that a client is told to retry', () => {
    const engine = new Engine(new HashRunner(), { maxWaiting: 0 });
    expect(() => engine.generate(ask([1]))).toThrow(CallerError);
  });
});
