/** Answers that are not streamed: routing, the trace, retries, and what a failing host looks like from outside. */
import { reset } from 'cloudflare:test';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { routingTraceSchema } from '../../../src/protocol/trace.ts';
import { about, announce, BASE, call, chat, expectError, keys } from '../support/edge.ts';
import { completion, hostError, ScriptedHosts, usage } from '../support/host.ts';
import { activate, identity, makeShard, upload } from '../support/shard.ts';

const ONE = 'http://127.0.0.1:9001';
const TWO = 'http://127.0.0.1:9002';
const tracedSchema = z.looseObject({ sparsedoctor: routingTraceSchema });
let hosts: ScriptedHosts;

beforeEach(async () => {
  await reset();
  hosts = new ScriptedHosts();
});
afterEach(() => {
  vi.restoreAllMocks();
});

/** Publishes and activates a version on host one, which holds all that came before too. */
const held: Awaited<ReturnType<typeof identity>>[] = [];
async function serve(...names: readonly (readonly [specialty: string, version: string])[]): Promise<void> {
  held.length = 0;
  await announce();
  for (const [specialty, version] of names) {
    const file = await makeShard({ specialty, version });
    await upload(file, { specialty, version });
    held.push(await identity(file, specialty, version));
    const answered = activate(specialty, version);
    await announce({ resident: held });
    expect((await answered).status).toBe(200);
  }
}

function complete(prompt: unknown): Promise<Response> {
  return call('/v1/completions', { json: { model: 'sparsedoctor', prompt } });
}

async function traceOf(response: Response) {
  const body = tracedSchema.parse(await response.json());
  return { body, trace: body.sparsedoctor };
}

describe('a routed request', () => {
  it('goes to a host with exact versions and priors in eighths, and says so in body and headers', async () => {
    await serve(['tcm', '1'], ['obgyn', '7']);
    hosts.on(ONE, () => completion());
    const response = await chat(about({ tcm: 0.9, obgyn: 0.6, oncology: 0.01 }));
    expect(response.status).toBe(200);
    const shards = [
      { name: 'tcm', version: '1', prior: 5 / 8 },
      { name: 'obgyn', version: '7', prior: 3 / 8 },
    ];
    expect(hosts.requests[0]?.body['sparsedoctor']).toEqual({ shards });
    const { body, trace } = await traceOf(response);
    expect(trace).toMatchObject({ shards, host: 'one', router: 'onnx' });
    expect(trace.specialties[0]).toEqual({ specialty: 'tcm', probability: 0.9 });
    expect(trace.queue_ms).toBeGreaterThanOrEqual(0);
    expect(body).toMatchObject({ object: 'chat.completion', usage });
    expect(JSON.parse(response.headers.get('x-sparsedoctor-shards') ?? '')).toEqual(shards);
    expect(response.headers.get('x-sparsedoctor-host')).toBe('one');
  });

  it('carries the host’s secret, the request id and the lease, and not the client’s key', async () => {
    await announce();
    hosts.on(ONE, () => completion());
    await chat({}, { headers: { 'x-request-id': 'r-1' } });
    const [request] = hosts.requests;
    expect(request?.headers.get('authorization')).toBe(`Bearer ${keys.host}`);
    expect(request?.headers.get('x-request-id')).toBe('r-1');
    expect(request?.headers.get('x-sparsedoctor-lease')).toMatch(/^[0-9a-f-]{36}$/);
    expect(request?.body).toMatchObject({ model: 'base', sparsedoctor: { shards: [] } });
  });

  it('that is unclear, or about a specialty without a shard, goes to the base', async () => {
    await serve(['tcm', '1']);
    hosts.on(ONE, () => completion());
    for (const probabilities of [{ tcm: 0.05 }, { oncology: 0.9, tcm: 0.1 }]) {
      const { trace } = await traceOf(await chat(about(probabilities)));
      expect(trace.shards).toEqual([]);
    }
  });

  it('is answered though the router fails', async () => {
    await announce();
    hosts.on(ONE, () => completion());
    const response = await chat({ model: 'sparsedoctor', messages: [{ role: 'user', content: 'fail' }] });
    expect(response.status).toBe(200);
    expect((await traceOf(response)).trace.router).not.toBe('onnx');
  });
});

it('a pinned request gets its specialty alone', async () => {
  await serve(['tcm', '1'], ['obgyn', '7']);
  hosts.on(ONE, () => completion());
  const { trace } = await traceOf(await chat({ model: 'sparsedoctor:obgyn' }));
  expect(trace).toMatchObject({
    specialties: [],
    shards: [{ name: 'obgyn', version: '7', prior: 1 }],
    router: 'pinned',
  });
});

it('POST /v1/route says what the router thinks and what would be used, without a host', async () => {
  await serve(['tcm', '1']);
  const { messages } = about({ tcm: 0.9, obgyn: 0.6 });
  const response = await call('/v1/route', { json: { messages } });
  expect(await response.json()).toEqual({
    specialties: [
      { specialty: 'tcm', probability: 0.9 },
      { specialty: 'obgyn', probability: 0.6 },
    ],
    shards: [{ name: 'tcm', version: '1', prior: 1 }],
    router: 'onnx',
  });
  expect(hosts.requests).toEqual([]);
});

describe('/v1/completions', () => {
  it('passes prompts on as they are', async () => {
    await announce();
    hosts.on(ONE, () => completion());
    const prompt = [1, 2, 3];
    const json = { model: 'base', prompt, echo: true, logprobs: 1, max_tokens: 1 };
    expect((await call('/v1/completions', { json })).status).toBe(200);
    expect(hosts.requests[0]).toMatchObject({ path: '/v1/completions', body: json });
  });

  it('routes a single text, and says why it cannot route token ids or lists', async () => {
    await serve(['tcm', '1']);
    hosts.on(ONE, () => completion());
    expect((await traceOf(await complete('{"tcm":0.9}'))).trace.shards).toHaveLength(1);
    await expectError(await complete([1, 2]), 400, 'unsupported_value');
    await expectError(await complete(['a', 'b']), 400, 'unsupported_value');
  });
});

describe('a swap', () => {
  it('changes what new requests get, while one that runs keeps its version', async () => {
    await serve(['tcm', '1']);
    const second = await makeShard({ version: '2', fill: 2 });
    await upload(second, { version: '2' });
    const gate = Promise.withResolvers<void>();
    hosts.on(ONE, async ({ body }) => {
      if (JSON.stringify(body).includes('"version":"1"')) await gate.promise;
      return completion();
    });
    const before = chat({ model: 'sparsedoctor:tcm' });
    await vi.waitFor(() => expect(hosts.requests).toHaveLength(1));
    const swapped = activate('tcm', '2');
    await announce({ resident: [...held, await identity(second, 'tcm', '2')] });
    expect((await swapped).status).toBe(200);
    const after = await traceOf(await chat({ model: 'sparsedoctor:tcm' }));
    gate.resolve();
    expect(after.trace.shards).toEqual([{ name: 'tcm', version: '2', prior: 1 }]);
    expect((await traceOf(await before)).trace.shards).toEqual([{ name: 'tcm', version: '1', prior: 1 }]);
  });

  it('that overtakes a request on its way is retried with the new version, unseen', async () => {
    await serve(['tcm', '1']);
    const second = await makeShard({ version: '2', fill: 2 });
    await upload(second, { version: '2' });
    hosts.on(ONE, async ({ body }) => {
      if (!JSON.stringify(body).includes('"version":"1"')) return completion();
      // The change happens between grant and arrival.
      const swapped = activate('tcm', '2');
      await announce({ resident: [await identity(second, 'tcm', '2')] });
      await swapped;
      return hostError(409, 'shard_not_resident');
    });
    const { trace } = await traceOf(await chat({ model: 'sparsedoctor:tcm' }));
    expect(trace.shards).toEqual([{ name: 'tcm', version: '2', prior: 1 }]);
  });
});

describe('a failing host', () => {
  const failures: [what: string, script: () => Response][] = [
    ['an error', () => hostError(500, 'internal_error')],
    ['a full queue', () => hostError(429, 'host_full')],
    ['a missing shard', () => hostError(409, 'shard_not_resident')],
    ['shutting down', () => hostError(503, 'shutting_down')],
    ['no JSON', () => new Response('<html>')],
    ['a redirect', () => new Response(null, { status: 302, headers: { location: 'http://10.0.0.1/' } })],
  ];

  it.each(failures)('with %s is left for another one', async (_, script) => {
    await announce({ capacity: 8 });
    await announce({ name: 'two', url: TWO, capacity: 1, running: 0 });
    hosts.on(ONE, script).on(TWO, () => completion());
    const answers = await Promise.all([chat(), chat()]);
    for (const answer of answers) expect((await traceOf(answer)).trace.host).toBe('two');
    expect(hosts.requests.some(({ host }) => host === ONE)).toBe(true);
  });

  it('that is not there at all is left for another one', async () => {
    await announce({ name: 'gone', url: 'http://127.0.0.1:9009', capacity: 8 });
    await announce({ name: 'two', url: TWO });
    hosts.on(TWO, () => completion());
    for (const answer of await Promise.all([chat(), chat()])) {
      expect((await traceOf(answer)).trace.host).toBe('two');
    }
  });

  it('that is the only one gives 502, without its words', async () => {
    await announce();
    hosts.on(ONE, () => hostError(500, 'internal_error', 'secret detail'));
    expect(await expectError(await chat(), 502, 'upstream_failed')).not.toContain('secret');
  });

  it('that stays busy gives 503 with a time to come back', async () => {
    await announce();
    hosts.on(ONE, async () => {
      await announce();
      return hostError(429, 'host_full');
    });
    await expectError(await chat(), 503, 'overloaded');
    expect(hosts.requests.length).toBeGreaterThan(1);
  });

  it('that takes too long gives 502', async () => {
    await announce();
    hosts.on(ONE, () => new Response(new ReadableStream({ start() {} })));
    await expectError(await chat(), 502, 'upstream_failed');
    expect(hosts.cancelled).toEqual([ONE]);
  });

  it('does not hide that the request itself was wrong', async () => {
    await announce();
    await announce({ name: 'two', url: TWO });
    for (const origin of [ONE, TWO]) {
      hosts.on(origin, () => hostError(400, 'context_length_exceeded', 'At most 512 tokens.'));
    }
    expect(await expectError(await chat(), 400, 'context_length_exceeded')).toBe('At most 512 tokens.');
    expect(hosts.requests).toHaveLength(1);
  });

  it('that does not know the edge’s secret is our fault, not the client’s', async () => {
    await announce();
    hosts.on(ONE, () => hostError(401, 'invalid_api_key'));
    await expectError(await chat(), 502, 'upstream_failed');
  });
});

describe('without room', () => {
  it('requests wait and are answered in turn', async () => {
    await announce({ capacity: 1 });
    let running = 0;
    let most = 0;
    hosts.on(ONE, async () => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setTimeout(resolve, 20));
      running -= 1;
      return completion();
    });
    const answers = await Promise.all([chat(), chat(), chat(), chat()]);
    expect(answers.map((answer) => answer.status)).toEqual([200, 200, 200, 200]);
    expect(most).toBe(1);
    const traced = await Promise.all(answers.map(traceOf));
    expect(
      traced
        .map(({ trace }) => trace.queue_ms)
        .sort((a, b) => a - b)
        .at(-1),
    ).toBeGreaterThan(0);
  });

  it('a key that floods the queue is told so, and another key still gets in', async () => {
    await announce({ capacity: 1 });
    const gate = Promise.withResolvers<void>();
    hosts.on(ONE, async () => {
      await gate.promise;
      return completion();
    });
    const waiting = Array.from({ length: 5 }, () => chat());
    await vi.waitFor(async () => {
      expect(await (await call('/metrics')).text()).toMatch(/num_requests_waiting 4\n/);
    });
    await expectError(await chat(), 429, 'rate_limited');
    const second = chat({}, { key: keys.second });
    const third = chat({}, { key: keys.second });
    await vi.waitFor(async () => {
      expect(await (await call('/metrics')).text()).toMatch(/num_requests_waiting 6\n/);
    });
    await expectError(await chat({}, { key: keys.admin }), 503, 'overloaded');
    gate.resolve();
    for (const answer of await Promise.all([...waiting, second, third])) expect(answer.status).toBe(200);
  });

  it('a request that would rather not wait is refused in time', async () => {
    await announce({ capacity: 1, running: 1, lease_ids: ['somebody'] });
    const response = await chat({}, { headers: { 'x-sparsedoctor-max-wait-ms': '50' } });
    await expectError(response, 503, 'overloaded');
  });

  it('an edge without hosts is not healthy, and one with a host is', async () => {
    expect((await call('/health', { key: null })).status).toBe(503);
    await announce({ base_fingerprint: BASE });
    expect(await (await call('/health', { key: null })).json()).toEqual({
      status: 'ok',
      hosts: 1,
      capacity: 4,
    });
  });
});
