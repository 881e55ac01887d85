/** Steps that are sent before the one before has answered: the same answers, and nothing is let go of too early. */
import { describe, expect, it } from 'vitest';
import { createRandom } from '../../src/base/random.ts';
import { Engine } from '../../src/engine/engine.ts';
import { greedy, type GenerateRequest, type TokenEvent } from '../../src/engine/request.ts';
import type { ModelRunner, Route } from '../../src/model/runner.ts';
import { CarryingRunner } from '../support/carrying-runner.ts';
import { expectedGreedy, HashRunner } from '../support/hash-runner.ts';

const base: Route = { shards: [] };
const shards: Route = { shards: [{ shard: { specialty: 'a', version: '1', bytes: 1 }, prior: 1 }] };

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

/** Requests that stop early, end by length, have penalties and routes, and are scored. */
function mixed(count: number): GenerateRequest[] {
  const random = createRandom(9);
  return Array.from({ length: count }, (_, n) => {
    const prompt = Array.from({ length: 1 + random.integer(20) }, () => random.integer(61));
    return ask(prompt, {
      maxTokens: 1 + random.integer(25),
      sampling: {
        ...greedy,
        temperature: n % 4 && 1.2,
        topP: 0.9,
        seed: n,
        ...(n % 2 ? {} : { repetitionPenalty: 1.3, frequencyPenalty: 0.4 }),
      },
      stopTokens: [random.integer(61), random.integer(61)],
      route: n % 3 ? base : shards,
      ...(n % 5 === 0 ? { promptLogprobs: 1, logprobs: n % 2 } : {}),
    });
  });
}

async function run(engine: Engine, requests: readonly GenerateRequest[]): Promise<TokenEvent[][]> {
  return Promise.all(requests.map((request) => collect(engine.generate(request))));
}

function carried({ log }: CarryingRunner): number {
  return log.filter((line) => line.endsWith('carried')).length;
}

async function settled(engine: Engine, pages = 256): Promise<void> {
  await expect.poll(() => engine.stats()).toMatchObject({ running: 0, waiting: 0, freePages: pages });
}

/** A promise that the test resolves. */
function gate(): { opened: Promise<void>; open: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: resolve };
}

describe('Steps sent behind each other', () => {
  it('begin before the one before has ended', async () => {
    const runner = new CarryingRunner();
    const events = await collect(new Engine(runner).generate(ask([5], { maxTokens: 4 })));
    expect(tokensOf(events)).toEqual(expectedGreedy([5], 4, base, 61));
    expect(runner.log).toEqual([
      'begin 1',
      'begin 2 carried',
      'end 1',
      'begin 3 carried',
      'end 2',
      'begin 4 carried',
      'end 3',
      'end 4',
    ]);
  });

  it.each([
    ['in a crowd', 256, {}],
    ['with prompts in chunks', 256, { prefillTokens: 5, maxSequences: 7 }],
    ['under memory pressure', 16, {}],
  ])('give the same events %s, and count the same tokens', async (_title, pages, options) => {
    const requests = mixed(24);
    const plain = new Engine(new HashRunner({ pages }), options);
    const runner = new CarryingRunner({ pages });
    const engine = new Engine(runner, options);
    const expected = await run(plain, requests);
    expect(await run(engine, requests)).toEqual(expected);
    await settled(engine, pages);
    expect(carried(runner)).toBeGreaterThan(3);
    const { generatedTokens, promptTokens } = plain.stats();
    expect(engine.stats().generatedTokens).toBe(generatedTokens);
    if (pages === 16) expect(engine.stats().preemptions).toBeGreaterThan(0);
    else expect(engine.stats().promptTokens).toBe(promptTokens);
  });

  it('drop the token behind a stop token, and keep the route until it is computed', async () => {
    const all = expectedGreedy([1, 2], 8, base, 61);
    const stop = all[3]!;
    expect(all.indexOf(stop)).toBe(3);
    const held = gate();
    // The fifth step is the one that is sent behind the stop token's.
    const runner = new CarryingRunner({ after: (step) => (step === 5 ? held.opened : undefined) });
    let released = 0;
    const engine = new Engine(runner);
    const onReleased = (): void => void (released += 1);
    const events = await collect(engine.generate(ask([1, 2], { stopTokens: [stop], onReleased })));
    expect(tokensOf(events)).toEqual(all.slice(0, 3));
    expect(events.at(-1)).toMatchObject({ kind: 'finish', reason: 'stop', completionTokens: 4 });
    expect(runner.log.slice(-2)).toEqual(['begin 5 carried', 'end 4']);
    expect(released).toBe(0);
    expect(engine.stats().freePages).toBeLessThan(256);
    held.open();
    await settled(engine);
    expect(released).toBe(1);
    expect(engine.stats().generatedTokens).toBe(4);
  });

  it('go on while requests wait that have no place, and take one out that gives up', async () => {
    const held = gate();
    const runner = new CarryingRunner({ after: (step) => (step === 6 ? held.opened : undefined) });
    const engine = new Engine(runner, { maxSequences: 1 });
    const abort = new AbortController();
    let releasedBehind: string | undefined;
    const onReleased = (): void => void (releasedBehind = runner.log.at(-1));
    const first = collect(engine.generate(ask([1], { maxTokens: 40 })));
    const second = collect(engine.generate(ask([2])));
    const impatient = collect(engine.generate(ask([3], { onReleased }), abort.signal));
    await expect.poll(() => runner.log).toContain('begin 7 carried');
    abort.abort();
    await expect(impatient).rejects.toMatchObject({ code: 'cancelled' });
    held.open();
    expect(tokensOf(await first)).toEqual(expectedGreedy([1], 40, base, 61));
    expect(tokensOf(await second)).toEqual(expectedGreedy([2], 8, base, 61));
    expect(releasedBehind).toBe('end 7');
    expect(carried(runner)).toBeGreaterThan(30);
  });

  it('are not sent past the end of an answer', async () => {
    const runner = new CarryingRunner();
    await run(new Engine(runner), [ask([1], { maxTokens: 1 }), ask([2, 3], { maxTokens: 0 })]);
    expect(runner.log).toEqual(['begin 1', 'end 1']);
  });

  it('let in a request that comes meanwhile', async () => {
    const held = gate();
    const runner = new CarryingRunner({ after: (step) => (step === 3 ? held.opened : undefined) });
    const engine = new Engine(runner);
    const first = collect(engine.generate(ask([5], { maxTokens: 30 })));
    await expect.poll(() => runner.log).toContain('begin 4 carried');
    const second = collect(engine.generate(ask([6, 7])));
    held.open();
    expect(tokensOf(await second)).toEqual(expectedGreedy([6, 7], 8, base, 61));
    expect(tokensOf(await first)).toEqual(expectedGreedy([5], 30, base, 61));
    // The step behind the held one was sent already; the next one has both.
    expect(runner.log.slice(0, 9)).toContain('begin 5');
  });

  it('keep pages and route of a cancelled request until both are over', async () => {
    const held = gate();
    const runner = new CarryingRunner({ after: (step) => (step === 2 ? held.opened : undefined) });
    const engine = new Engine(runner);
    const abort = new AbortController();
    let released = 0;
    const events = collect(
      engine.generate(ask([1], { maxTokens: 50, onReleased: () => (released += 1) }), abort.signal),
    );
    await expect.poll(() => runner.log).toContain('begin 3 carried');
    abort.abort();
    await expect(events).rejects.toMatchObject({ code: 'cancelled' });
    expect(released).toBe(0);
    held.open();
    await settled(engine);
    expect(released).toBe(1);
    expect(runner.log).toEqual(['begin 1', 'begin 2 carried', 'end 1', 'begin 3 carried', 'end 2', 'end 3']);
  });

  it.each([2, 3])('fail their requests once when step %i fails', async (failing) => {
    let step = 0;
    const held = gate();
    const runner = new CarryingRunner({
      before: () => {
        step += 1;
        if (step === failing) throw new Error('device lost');
      },
      // What is sent behind the failing step ends late.
      after: (ended) => (ended === failing + 1 ? held.opened : undefined),
    });
    const engine = new Engine(runner, { maxFailures: 2 });
    let released = 0;
    const events = engine.generate(ask([1], { maxTokens: 50, onReleased: () => (released += 1) }));
    const tokens: number[] = [];
    const failed = (async () => {
      for await (const event of events) if (event.kind === 'token') tokens.push(event.token);
    })();
    failed.catch(() => {});
    await expect.poll(() => runner.log).toContain(`end ${failing}`);
    expect(released).toBe(0);
    held.open();
    await expect(failed).rejects.toMatchObject({ code: 'model_failed' });
    expect(tokens).toEqual(expectedGreedy([1], failing - 1, base, 61));
    await settled(engine);
    expect(released).toBe(1);
    expect(engine.stats().alive).toBe(true);
    expect(tokensOf(await collect(engine.generate(ask([1]))))).toEqual(expectedGreedy([1], 8, base, 61));
  });

  it('end with the engine, when both are over', async () => {
    const held = gate();
    const runner = new CarryingRunner({ after: (step) => (step === 2 ? held.opened : undefined) });
    const engine = new Engine(runner);
    const events = collect(engine.generate(ask([1], { maxTokens: 50 })));
    await expect.poll(() => runner.log).toContain('begin 3 carried');
    const closed = engine.close();
    await expect(events).rejects.toMatchObject({ code: 'engine_stopped' });
    held.open();
    await closed;
    expect(runner.log.at(-1)).toBe('end 3');
    expect(engine.stats()).toMatchObject({ running: 0, freePages: 256 });
  });

  it('are not sent to a model that cannot', async () => {
    const narrow: ModelRunner = Object.assign(new CarryingRunner(), { maxCarried: 1 });
    const expected = await run(new Engine(new HashRunner()), [ask([1]), ask([2])]);
    expect(await run(new Engine(narrow), [ask([1]), ask([2])])).toEqual(expected);
    expect(narrow instanceof CarryingRunner && carried(narrow)).toBe(0);
  });
});
