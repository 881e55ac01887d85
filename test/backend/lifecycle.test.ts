import { afterEach, describe, expect, it } from 'vitest';
import { decodeEvents } from '../../src/protocol/sse.ts';
import { tinyModel, tinyShardBytes } from '../support/tiny-model.ts';
import { readJson, startTestHost, type TestHost, type TestHostOptions } from '../support/test-host.ts';

let running: TestHost | undefined;

async function start(options?: TestHostOptions): Promise<TestHost> {
  running = await startTestHost(options);
  return running;
}

afterEach(async () => {
  await running?.host.close();
  running = undefined;
});

/** Holds forward passes from the n-th on until opened. */
function gate(from = 0): { before: () => Promise<void>; open: () => void } {
  const opened = Promise.withResolvers<void>();
  let passes = 0;
  return {
    before: async () => {
      if (passes++ >= from) await opened.promise;
    },
    open: opened.resolve,
  };
}

function ask(content: string, more: object = {}): object {
  return { model: 'base', messages: [{ role: 'user', content }], ...more };
}

const long = 'x'.repeat(400);

function slow(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 2));
}

describe('a client that leaves', () => {
  it.each([
    ['in the middle of a stream', { stream: true }],
    ['while its whole answer is computed', { stream: false }],
  ])('%s frees its pages, its shards and its place', async (_title, more) => {
    const { post, engine, shards, url } = await start({ parrot: { before: slow } });
    await shards.add(await tinyShardBytes(await tinyModel(), { version: '1' }));
    const leave = new AbortController();
    const request = ask(long, {
      ...more,
      sparsedoctor: { shards: [{ name: 'cardiovascular', version: '1', prior: 1 }] },
    });
    const answer = post('/v1/chat/completions', request, { signal: leave.signal });
    await expect.poll(() => engine.stats().generatedTokens).toBeGreaterThan(0);
    expect(shards.resident()[0]!.leases).toBe(1);
    if (more.stream) {
      const body = (await answer).body!;
      const reading = (async () => {
        for await (const event of decodeEvents(body)) expect(event).not.toContain('[DONE]');
      })();
      leave.abort();
      await expect(reading).rejects.toThrow(/abort/i);
    } else {
      leave.abort();
      await expect(answer).rejects.toThrow(/abort/i);
    }
    await expect.poll(() => engine.stats()).toMatchObject({ running: 0, freePages: 512 });
    expect(engine.stats().generatedTokens).toBeLessThan(400);
    await expect.poll(() => shards.resident()[0]!.leases).toBe(0);
    // Draining ends at once: nobody is counted as present any more.
    await running!.host.close();
    await expect(fetch(`${url}/health`)).rejects.toThrow();
  });

  it('before the first token of a stream, is noticed too', async () => {
    const { before, open } = gate();
    const { post, engine, log } = await start({ parrot: { before }, host: { heartbeatMs: 5 } });
    const leave = new AbortController();
    const response = await post('/v1/chat/completions', ask('x', { stream: true }), { signal: leave.signal });
    expect(response.status).toBe(200);
    leave.abort();
    await expect.poll(() => log.join()).toContain('cancelled');
    open();
    await expect.poll(() => engine.stats()).toMatchObject({ running: 0, freePages: 512 });
    expect(engine.stats().generatedTokens).toBe(0);
  });
});

describe('a busy host', () => {
  it('answers 429 with Retry-After beyond its queue, before any stream starts', async () => {
    const { before, open } = gate();
    const { post } = await start({ parrot: { before }, engine: { maxSequences: 1, maxWaiting: 1 } });
    const first = post('/v1/chat/completions', ask('one'));
    await expect.poll(() => running!.engine.stats().running).toBe(1);
    const second = post('/v1/chat/completions', ask('two'));
    await expect.poll(() => running!.engine.stats().waiting).toBe(1);
    for (const stream of [true, false]) {
      const refused = await post('/v1/chat/completions', ask('three', { stream }));
      expect(refused.status).toBe(429);
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
      expect(await readJson(refused)).toMatchObject({ error: { code: 'host_full' } });
    }
    open();
    expect((await first).status).toBe(200);
    expect((await second).status).toBe(200);
  });

  it('sends headers and comments at once while a request waits', async () => {
    const { before, open } = gate();
    const { post } = await start({ parrot: { before }, host: { heartbeatMs: 5 } });
    const response = await post('/v1/chat/completions', ask('hi', { stream: true }));
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    while (text.split(': waiting').length < 4) text += (await reader.read()).value ?? '';
    expect(text).not.toContain('data:');
    open();
    for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) text += chunk.value;
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
  });

  it('shows an error in the middle of a stream as an event that the openai client throws', async () => {
    let passes = 0;
    const { openai } = await start({
      parrot: {
        before: () => {
          if (passes++ === 3) throw new Error('device lost');
        },
      },
    });
    const stream = await openai.chat.completions.create({
      model: 'base',
      messages: [{ role: 'user', content: 'abcdef' }],
      stream: true,
    });
    let text = '';
    const read = async (): Promise<void> => {
      for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
    };
    await expect(read()).rejects.toThrow('model_failed');
    expect('abcdef'.startsWith(text)).toBe(true);
  });
});

describe('shutting down', () => {
  it('lets running answers end, refuses new ones, then closes', async () => {
    const { before, open } = gate(2);
    const { post, host, url, engine } = await start({ parrot: { before } });
    const streamed = await post('/v1/chat/completions', ask('goodbye', { stream: true }));
    const whole = post('/v1/chat/completions', ask('goodbye'));
    await expect.poll(() => engine.stats().running + engine.stats().waiting).toBe(2);
    let closed = false;
    const closing = host.close().then(() => (closed = true));
    const refused = await post('/v1/chat/completions', ask('late'));
    expect(refused.status).toBe(503);
    expect(refused.headers.get('retry-after')).not.toBeNull();
    expect(await readJson(refused)).toMatchObject({ error: { code: 'shutting_down' } });
    const health = await fetch(`${url}/health`);
    expect([health.status, await readJson(health)]).toEqual([503, { status: 'draining' }]);
    expect(closed).toBe(false);
    open();
    expect(await streamed.text()).toContain('[DONE]');
    expect(await readJson(await whole)).toMatchObject({ choices: [{ message: { content: 'goodbye' } }] });
    await closing;
    await expect(fetch(`${url}/health`)).rejects.toThrow();
    expect(engine.stats()).toMatchObject({ alive: false, freePages: 512 });
  });

  it('cancels what is not done within the drain time', async () => {
    const { before, open } = gate(2);
    const { post, host, engine } = await start({ parrot: { before }, host: { drainMs: 20 } });
    const answer = post('/v1/chat/completions', ask(long));
    await expect.poll(() => engine.stats().running).toBe(1);
    const closing = host.close();
    expect((await answer).status).toBe(499);
    open();
    await closing;
    expect(engine.stats().freePages).toBe(512);
  });

  it('refuses to listen beyond loopback without a secret', async () => {
    const { host } = await start();
    const { createHost } = await import('../../src/backend/host.ts');
    const { byteTokenizer } = await import('../support/byte-tokenizer.ts');
    const open = createHost({ engine: running!.engine, shards: running!.shards, ...byteTokenizer() });
    await expect(open.listen(0, '0.0.0.0')).rejects.toMatchObject({ code: 'secret_missing' });
    const { port } = await host.listen(0);
    await expect(open.listen(port)).rejects.toThrow('--port');
  });
});

describe('GET /health and /metrics', () => {
  it('tell the state without and with the secret', async () => {
    const formats = { weights: 'q8', experts: 'f32', cache: 'f32' };
    const { url, post, openai } = await start({ host: { formats } });
    const health = await fetch(`${url}/health`);
    expect([health.status, await readJson(health)]).toEqual([200, { status: 'ok' }]);
    expect((await fetch(`${url}/metrics`)).status).toBe(401);
    await post('/v1/chat/completions', ask('four'));
    const metrics = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${openai.apiKey}` } });
    const text = await metrics.text();
    for (const line of [
      /^vllm:num_requests_running\{.*\} 0$/m,
      /^vllm:num_requests_waiting\{.*\} 0$/m,
      /^vllm:generation_tokens_total\{.*\} 4$/m,
      /^vllm:prompt_tokens_total\{.*\} \d\d$/m,
      /^vllm:request_success_total\{finished_reason="stop".*\} 1$/m,
      /^vllm:time_to_first_token_seconds_count\{.*\} 1$/m,
      /^vllm:e2e_request_latency_seconds_count\{.*\} 1$/m,
      /^vllm:lora_requests_info\{/m,
      /^sparsedoctor:formats_info\{weights="q8",experts="f32",cache="f32".*\} 1$/m,
    ]) {
      expect(text).toMatch(line);
    }
  });

  it('report a dead engine', async () => {
    const { url, post } = await start({
      engine: { maxFailures: 1 },
      parrot: {
        before: () => {
          throw new Error('device lost');
        },
      },
    });
    expect((await post('/v1/chat/completions', ask('x'))).status).toBe(500);
    await expect.poll(async () => readJson(await fetch(`${url}/health`))).toEqual({ status: 'dead' });
    const refused = await post('/v1/chat/completions', ask('x'));
    expect(refused.status).toBe(503);
    expect(await readJson(refused)).toMatchObject({ error: { code: 'engine_stopped' } });
  });
});
