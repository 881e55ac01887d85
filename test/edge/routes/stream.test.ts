/** Streamed answers: what is passed on, where the trace goes, and what happens when either side leaves. */
import { reset } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { admissionOf } from '../../../src/edge/bindings.ts';
import { routingTraceSchema } from '../../../src/protocol/trace.ts';
import { announce, call, chat, expectError, readEvents } from '../support/edge.ts';
import {
  chunk,
  completion,
  goodEvents,
  hostError,
  roleChunk,
  ScriptedHosts,
  sse,
  usage,
  usageChunk,
} from '../support/host.ts';

const ONE = 'http://127.0.0.1:9001';
const TWO = 'http://127.0.0.1:9002';
const tracedSchema = z.object({ sparsedoctor: routingTraceSchema });
let hosts: ScriptedHosts;

beforeEach(async () => {
  await reset();
  hosts = new ScriptedHosts();
});
afterEach(() => {
  vi.restoreAllMocks();
});

const stream = (fields: Record<string, unknown> = {}): Promise<Response> => chat({ stream: true, ...fields });
const trace = {
  specialties: [],
  shards: [],
  host: 'one',
  queue_ms: expect.any(Number),
  router: 'base',
};

/** Until the queue counts this many running requests. */
async function untilRunning(count: number): Promise<void> {
  await vi.waitFor(async () => expect((await admissionOf(env).status()).running).toBe(count), {
    timeout: 5_000,
  });
}

describe('a stream', () => {
  it('is passed on chunk by chunk, with the trace in the last one and in the headers', async () => {
    await announce();
    hosts.on(ONE, () => sse(goodEvents));
    const response = await stream();
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    expect(response.headers.get('x-sparsedoctor-host')).toBe('one');
    const shown = goodEvents.slice(0, 4).map(({ usage, ...event }) => {
      expect(usage).toBeNull();
      return event;
    });
    const [last] = shown.splice(-1);
    expect(await readEvents(response)).toEqual([...shown, { ...last, sparsedoctor: trace }, '[DONE]']);
  });

  it('ends with the usage chunk for those who ask for it, and that carries the trace', async () => {
    await announce();
    hosts.on(ONE, () => sse(goodEvents));
    const response = await stream({ stream_options: { include_usage: true } });
    const events = await readEvents(response);
    expect(events).toEqual([...goodEvents.slice(0, 4), { ...usageChunk, sparsedoctor: trace }, '[DONE]']);
  });

  it('asks the host for usage in any case, for the metrics', async () => {
    await announce();
    hosts.on(ONE, () => sse(goodEvents));
    await (await stream()).text();
    expect(hosts.requests[0]?.body['stream_options']).toEqual({ include_usage: true });
    await untilRunning(0);
    const metrics = await (await call('/metrics')).text();
    expect(metrics).toContain(`vllm:generation_tokens_total ${usage.completion_tokens}`);
    expect(metrics).toContain('vllm:time_to_first_token_seconds_count 1');
  });

  it('brings the first token on before the second exists', async () => {
    await announce();
    const gate = Promise.withResolvers<void>();
    hosts.on(ONE, () =>
      sse(goodEvents, { before: async (index) => (index === 2 ? gate.promise : undefined) }),
    );
    const reader = (await stream()).body!.getReader();
    const decoder = new TextDecoder();
    let text = '';
    while (!text.includes('多')) text += decoder.decode((await reader.read()).value);
    expect(text).not.toContain('喝');
    gate.resolve();
    while (!text.includes('[DONE]')) text += decoder.decode((await reader.read()).value);
    expect(text).toContain('喝');
  });

  it('that has to wait is answered early, with comments until its turn comes', async () => {
    await announce({ capacity: 1 });
    const gate = Promise.withResolvers<void>();
    hosts.on(ONE, async ({ body }) => {
      if (body['stream'] === true) return sse(goodEvents);
      await gate.promise;
      return completion();
    });
    const first = chat();
    await untilRunning(1);
    const response = await stream();
    expect(response.status).toBe(200);
    expect(response.headers.has('x-sparsedoctor-host')).toBe(false);
    const reader = response.body!.getReader();
    const decoder = new TextDecoder();
    let text = decoder.decode((await reader.read()).value);
    expect(text).toBe(': queued\n\n');
    gate.resolve();
    while (!text.includes('[DONE]')) text += decoder.decode((await reader.read()).value);
    const last = text.split('\n\n').findLast((block) => block.includes('sparsedoctor')) ?? '';
    const { sparsedoctor } = tracedSchema.parse(JSON.parse(last.slice('data: '.length)));
    expect(sparsedoctor.queue_ms).toBeGreaterThan(100);
    expect((await first).status).toBe(200);
  });
});

describe('an error of the host', () => {
  it('before the first token is retried elsewhere, though a chunk without text came', async () => {
    await announce({ capacity: 8 });
    await announce({ name: 'two', url: TWO, capacity: 1 });
    hosts.on(ONE, () => sse([roleChunk], { breakOff: true })).on(TWO, () => sse(goodEvents));
    const answers = [stream(), stream()].map(async (response) => readEvents(await response));
    for (const events of await Promise.all(answers)) {
      expect(events.filter((event) => JSON.stringify(event).includes('"role"'))).toHaveLength(1);
      expect(events.at(-2)).toMatchObject({ sparsedoctor: { host: 'two' } });
    }
    expect(hosts.requests.some(({ host }) => host === ONE)).toBe(true);
  });

  it('that comes at once keeps its status', async () => {
    await announce();
    hosts.on(ONE, () => hostError(400, 'context_length_exceeded'));
    await expectError(await stream(), 400, 'context_length_exceeded');
  });

  it('that is in the stream before the first token does too', async () => {
    await announce();
    const error = { message: 'At most 512 tokens.', type: 'x', param: null, code: 'context_length_exceeded' };
    hosts.on(ONE, () => sse([roleChunk, { error }]));
    await expectError(await stream(), 400, 'context_length_exceeded');
  });

  const breaks: [what: string, script: () => Response][] = [
    ['breaks off', () => sse([roleChunk, chunk('多')], { breakOff: true })],
    [
      'stalls',
      () => sse([chunk('多')], { before: async (i) => (i === 1 ? new Promise<void>(() => {}) : undefined) }),
    ],
    [
      'says so',
      () => sse([chunk('多'), { error: { message: 'secret', type: 'x', code: 'internal_error' } }]),
    ],
    ['sends garbage', () => new Response(`data: ${JSON.stringify(chunk('多'))}\n\ndata: {oops\n\n`)],
  ];

  it.each(breaks)(
    'after the first token (it %s) is an error event, and the slot is free again',
    async (_, script) => {
      await announce();
      hosts.on(ONE, script);
      const events = await readEvents(await stream());
      expect(events[0]).toMatchObject({ choices: [{ delta: {} }] });
      expect(events.at(-1)).toMatchObject({
        error: { code: 'upstream_failed', message: expect.any(String) },
      });
      expect(JSON.stringify(events)).not.toContain('secret');
      expect(events).not.toContain('[DONE]');
      await untilRunning(0);
    },
  );

  it('that comes after the answer began waiting is an error event', async () => {
    await announce();
    const gate = Promise.withResolvers<void>();
    hosts.on(ONE, async () => {
      await gate.promise;
      return hostError(400, 'context_length_exceeded', 'At most 512 tokens.');
    });
    const response = await stream();
    expect(response.status).toBe(200);
    gate.resolve();
    expect(await readEvents(response)).toEqual([
      { error: expect.objectContaining({ code: 'context_length_exceeded', message: 'At most 512 tokens.' }) },
    ]);
  });
});

describe('a client that leaves', () => {
  it('while tokens flow ends the host’s work and frees the slot', async () => {
    await announce();
    hosts.on(ONE, () => sse([roleChunk], { endless: true }));
    const reader = (await stream()).body!.getReader();
    await reader.read();
    await untilRunning(1);
    await reader.cancel();
    await untilRunning(0);
    await vi.waitFor(() => expect(hosts.cancelled).toEqual([ONE]));
    expect(await (await call('/metrics')).text()).toContain('finished_reason="abort"} 1');
  });

  it('before the first token does too', async () => {
    await announce();
    hosts.on(ONE, () =>
      sse([roleChunk], { before: async (i) => (i === 1 ? new Promise<void>(() => {}) : undefined) }),
    );
    const response = await stream();
    await untilRunning(1);
    await response.body!.cancel();
    await untilRunning(0);
    await vi.waitFor(() => expect(hosts.cancelled).toEqual([ONE]));
  });

  it('while it waits is taken out of the queue', async () => {
    await announce({ capacity: 1 });
    const gate = Promise.withResolvers<void>();
    hosts.on(ONE, async () => {
      await gate.promise;
      return completion();
    });
    const first = chat();
    await untilRunning(1);
    const response = await stream();
    expect((await admissionOf(env).status()).waiting).toBe(1);
    await response.body!.cancel();
    await vi.waitFor(async () => expect((await admissionOf(env).status()).waiting).toBe(0));
    gate.resolve();
    expect((await first).status).toBe(200);
    expect(hosts.requests).toHaveLength(1);
  });
});

it('a full queue refuses a stream before it begins', async () => {
  await announce({ capacity: 1 });
  const gate = Promise.withResolvers<void>();
  hosts.on(ONE, async () => {
    await gate.promise;
    return completion();
  });
  const waiting = Array.from({ length: 5 }, () => chat());
  await vi.waitFor(async () => expect((await admissionOf(env).status()).waiting).toBe(4), { timeout: 5_000 });
  await expectError(await stream(), 429, 'rate_limited');
  gate.resolve();
  for (const answer of await Promise.all(waiting)) expect(answer.status).toBe(200);
});
