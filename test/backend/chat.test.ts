import { afterEach, describe, expect, it } from 'vitest';
import type { ChatCompletion } from '../../src/protocol/chat.ts';
import { tinyModel, tinyShardBytes } from '../support/tiny-model.ts';
import {
  readJson,
  startTestHost,
  testSecret,
  type TestHost,
  type TestHostOptions,
} from '../support/test-host.ts';

let running: TestHost | undefined;

async function start(options?: TestHostOptions): Promise<TestHost> {
  running = await startTestHost(options);
  return running;
}

afterEach(async () => {
  await running?.host.close();
  running = undefined;
});

function user(content: string): { role: 'user'; content: string }[] {
  return [{ role: 'user', content }];
}

describe('POST /v1/chat/completions', () => {
  it('answers the openai client with text, finish reason and usage', async () => {
    const { openai } = await start();
    const answer = await openai.chat.completions.create({ model: 'base', messages: user('你好, doctor 🙂') });
    expect(answer.choices[0]).toMatchObject({
      finish_reason: 'stop',
      message: { role: 'assistant', content: '你好, doctor 🙂' },
    });
    const bytes = new TextEncoder().encode('你好, doctor 🙂').length;
    expect(answer.usage).toMatchObject({ completion_tokens: bytes + 1 });
    expect(answer.usage!.total_tokens).toBe(answer.usage!.prompt_tokens + bytes + 1);
  });

  it('streams whole characters to the openai client, and usage last', async () => {
    const { openai } = await start();
    const stream = await openai.chat.completions.create({
      model: 'base',
      messages: user('胸痛 🫀 ok'),
      stream: true,
      stream_options: { include_usage: true },
    });
    const pieces: string[] = [];
    const finishes: unknown[] = [];
    let usage: unknown;
    for await (const chunk of stream) {
      const choice = chunk.choices[0];
      if (choice?.delta.content) pieces.push(choice.delta.content);
      if (choice?.finish_reason) finishes.push(choice.finish_reason);
      if (chunk.choices.length === 0) usage = chunk.usage;
    }
    expect(pieces).toEqual(['胸', '痛', ' ', '🫀', ' ', 'o', 'k']);
    expect(finishes).toEqual(['stop']);
    expect(usage).toMatchObject({ completion_tokens: 15 });
  });

  it.each([
    ['inside one token', 'a.b', '.', 'a'],
    ['over several tokens', 'one END two', 'END', 'one '],
    ['inside characters of several bytes', '先说这些。就这样', '。就', '先说这些'],
  ])('ends at a stop string %s, streamed and whole', async (_title, said, stop, expected) => {
    const { openai, engine } = await start();
    const request = { model: 'base', messages: user(said), stop };
    const whole = await openai.chat.completions.create(request);
    expect(whole.choices[0]).toMatchObject({ finish_reason: 'stop', message: { content: expected } });
    const stream = await openai.chat.completions.create({ ...request, stream: true });
    let text = '';
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
    expect(text).toBe(expected);
    await expect.poll(() => engine.stats()).toMatchObject({ running: 0, freePages: 512 });
  });

  it('delivers text that only looked like a stop string, when the answer ends on it', async () => {
    const { openai } = await start();
    const answer = await openai.chat.completions.create({
      model: 'base',
      messages: user('x EN'),
      stop: ['END'],
    });
    expect(answer.choices[0]!.message.content).toBe('x EN');
  });

  it('says length when max_tokens ends it, even inside a character', async () => {
    const { openai } = await start();
    const answer = await openai.chat.completions.create({
      model: 'base',
      messages: user('你好'),
      max_tokens: 4,
    });
    expect(answer.choices[0]).toMatchObject({ finish_reason: 'length', message: { content: '你\uFFFD' } });
  });

  it('goes on past the end of text with ignore_eos', async () => {
    const { post } = await start();
    const response = await post('/v1/chat/completions', {
      model: 'base',
      messages: user('a'),
      ignore_eos: true,
      max_tokens: 6,
    });
    expect(await response.json()).toMatchObject({
      choices: [{ finish_reason: 'length' }],
      usage: { completion_tokens: 6 },
    });
  });

  it('lists log probabilities of tokens with their bytes', async () => {
    const { openai } = await start();
    const request = { model: 'base', messages: user('é'), logprobs: true, top_logprobs: 2 } as const;
    const answer = await openai.chat.completions.create(request);
    const tokens = answer.choices[0]!.logprobs!.content!;
    expect(tokens.map((token) => token.bytes)).toEqual([[0xc3], [0xa9]]);
    expect(tokens[0]).toMatchObject({ token: 'bytes:\\xc3', logprob: expect.closeTo(0, 6) });
    expect(tokens[0]!.top_logprobs).toHaveLength(2);
    const stream = await openai.chat.completions.create({ ...request, stream: true });
    let streamed = 0;
    for await (const chunk of stream) streamed += chunk.choices[0]?.logprobs?.content?.length ?? 0;
    expect(streamed).toBe(2);
  });

  it('repeats itself with a seed', async () => {
    const { openai } = await start({ parrot: {} });
    const ask = (seed: number): Promise<string | null> =>
      openai.chat.completions
        .create({ model: 'base', messages: user('a'), temperature: 2, seed, max_tokens: 30 })
        .then((answer) => answer.choices[0]!.message.content);
    expect(await ask(7)).toBe(await ask(7));
  });

  it('serves many requests with different shards at once, each its own answer', async () => {
    const { openai, shards, post } = await start();
    const model = await tinyModel();
    for (const version of ['1', '2']) await shards.add(await tinyShardBytes(model, { version }));
    const answers = await Promise.all(
      Array.from({ length: 12 }, async (_, n) => {
        const version = ['1', '2', undefined][n % 3];
        const named = version === undefined ? [] : [{ name: 'cardiovascular', version, prior: 1 }];
        const response = await post('/v1/chat/completions', {
          model: 'sparsedoctor',
          messages: user(`question ${n}`),
          sparsedoctor: { shards: named },
        });
        const body = await readJson<ChatCompletion>(response);
        return body.choices[0]!.message.content;
      }),
    );
    expect(answers).toEqual(
      Array.from({ length: 12 }, (_, n) => `${['[1]', '[2]', ''][n % 3]}question ${n}`),
    );
    const models = await openai.models.list();
    expect(models.data.map((entry) => entry.id)).toEqual(['base', 'sparsedoctor:cardiovascular']);
  });
});

describe('models and shards by name', () => {
  it('pins the newest resident version, and answers 409 for one that is not held', async () => {
    const { post, shards } = await start();
    const model = await tinyModel();
    await shards.add(await tinyShardBytes(model, { version: 'v1' }));
    const pinned = await post('/v1/chat/completions', {
      model: 'sparsedoctor:cardiovascular',
      messages: user('x'),
    });
    expect(await pinned.json()).toMatchObject({ choices: [{ message: { content: '[v1]x' } }] });
    const missing = await post('/v1/chat/completions', {
      model: 'sparsedoctor',
      messages: user('x'),
      sparsedoctor: {
        shards: [
          { name: 'cardiovascular', version: 'v1', prior: 0.5 },
          { name: 'neurology', version: 'v1', prior: 0.5 },
        ],
      },
    });
    expect(missing.status).toBe(409);
    expect(await missing.json()).toMatchObject({
      error: { code: 'shard_not_resident', param: 'sparsedoctor.shards' },
    });
    expect(shards.resident()[0]!.leases).toBe(0);
  });

  it.each(['gpt-4o', 'sparsedoctor', 'sparsedoctor:neurology', 'sparsedoctor:../x'])(
    'answers 404 for model %s',
    async (model) => {
      const { post } = await start();
      const response = await post('/v1/chat/completions', { model, messages: user('x') });
      expect(response.status).toBe(404);
      expect(await response.json()).toMatchObject({ error: { code: 'model_not_found', param: 'model' } });
    },
  );
});

describe('bad input', () => {
  it.each([
    ['broken JSON', '{"model":', 400, 'invalid_json'],
    ['an empty body', '', 400, 'invalid_json'],
    ['a wrong type', { model: 'base', messages: user('x'), top_p: 'all' }, 400, 'invalid_request'],
    [
      'a too long prompt',
      { model: 'base', messages: user('x'.repeat(3000)) },
      400,
      'context_length_exceeded',
    ],
    ['a huge body', 'x'.repeat(1024 * 1024 + 1), 413, 'body_too_large'],
  ])('answers %s with a clear error and goes on', async (_title, body, status, code) => {
    const { post, openai } = await start();
    const response = await post('/v1/chat/completions', body);
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ error: { code, message: expect.any(String) } });
    const answer = await openai.chat.completions.create({ model: 'base', messages: user('still there') });
    expect(answer.choices[0]!.message.content).toBe('still there');
  });

  it('lets go of the shards of a request that the engine refuses', async () => {
    const { post, shards } = await start();
    await shards.add(await tinyShardBytes(await tinyModel(), { version: 'v1' }));
    const request = { model: 'sparsedoctor:cardiovascular', messages: user('x'.repeat(3000)) };
    expect((await post('/v1/chat/completions', request)).status).toBe(400);
    expect(shards.resident()[0]!.leases).toBe(0);
  });

  it('names messages, not a prompt, when a chat is too long', async () => {
    const { post } = await start();
    const response = await post('/v1/chat/completions', { model: 'base', messages: user('x'.repeat(3000)) });
    expect(await response.json()).toMatchObject({ error: { param: 'messages' } });
  });

  it('bounds a body that comes without a length', async () => {
    const { url } = await start();
    const chunk = new Uint8Array(65_536).fill(32);
    let sent = 0;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (sent++ < 40) controller.enqueue(chunk);
        else controller.close();
      },
    });
    const init = { method: 'POST', body, duplex: 'half', headers: { authorization: `Bearer ${testSecret}` } };
    const response = await fetch(`${url}/v1/chat/completions`, init);
    expect(response.status).toBe(413);
  });

  it.each(['/v1/chat/completions', '/v1/completions', '/nowhere'])(
    'asks for the secret on %s',
    async (path) => {
      const { post } = await start();
      const response = await post(path, {}, { headers: { authorization: 'Bearer wrong' } });
      expect(response.status).toBe(401);
      expect(await response.json()).toMatchObject({ error: { code: 'invalid_api_key' } });
    },
  );

  it('answers 404 in OpenAI’s shape for an unknown path', async () => {
    const { post } = await start();
    const response = await post('/v1/embeddings', {});
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ error: { code: 'not_found' } });
  });

  it('repeats a given request id and replaces a malformed one', async () => {
    const { post } = await start();
    const given = await post('/v1/chat/completions', {}, { headers: { 'x-request-id': 'abc-1' } });
    expect(given.headers.get('x-request-id')).toBe('abc-1');
    const forged = await post('/v1/chat/completions', {}, { headers: { 'x-request-id': 'a b"' } });
    expect(forged.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('keeps prompts out of logs, also when the model fails', async () => {
    let failures = 1;
    const { post, log } = await start({
      parrot: {
        before: () => {
          if (failures-- > 0) throw new Error('device lost');
        },
      },
    });
    const failed = await post('/v1/chat/completions', { model: 'base', messages: user('SECRET-PROMPT') });
    expect(failed.status).toBe(500);
    const text = await failed.text();
    expect(text).not.toContain('device lost');
    expect(text).toContain(failed.headers.get('x-request-id'));
    await post('/v1/chat/completions', { model: 'SECRET-PROMPT', messages: user('SECRET-PROMPT') });
    expect(log.join('\n')).toContain('device lost');
    expect(log.join('\n')).not.toContain('SECRET-PROMPT');
  });
});
