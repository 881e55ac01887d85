/** A question from the client's side to the model and back: real host, real workerd, the `openai` client. */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { APIUserAbortError } from 'openai';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { shardListSchema, type ShardList } from '../../src/protocol/shards.ts';
import { limits } from '../../src/protocol/limits.ts';
import { projectRoot } from '../../src/cli/config.ts';
import { ask, openPage } from '../page/open-page.ts';
import { launchChromium } from '../support/chromium.ts';
import { tinyModel, tinyShardBytes } from '../support/tiny-model.ts';
import { question, startProduct, streamChat, traceOf, type Product } from './product.ts';

let product: Product;

beforeAll(async () => {
  product = await startProduct();
}, 300_000);
afterAll(() => product?.close(), 60_000);

const pinned = 'sparsedoctor:cardiovascular';

async function shardList(): Promise<ShardList> {
  return shardListSchema.parse(await (await product.fetch('/v1/shards')).json());
}

async function activeVersion(): Promise<string | null | undefined> {
  return (await shardList()).data.find(({ specialty }) => specialty === 'cardiovascular')?.active;
}

describe('a chat', () => {
  test('is routed by its subject to the shards of the trace, and answered', async () => {
    const answer = await product.openai.chat.completions.create({
      model: 'sparsedoctor',
      messages: question,
      max_tokens: 12,
      seed: 5,
    });
    expect(answer.choices[0]?.message.content).not.toBe('');
    expect(answer.usage?.prompt_tokens).toBeGreaterThan(10);
    const trace = traceOf(answer);
    expect(trace?.specialties[0]?.specialty).toBe('cardiovascular');
    expect(trace?.shards[0]).toMatchObject({ name: 'cardiovascular', version: 'v1' });
    expect(trace?.shards.reduce((sum, { prior }) => sum + prior, 0)).toBe(1);
    expect(trace).toMatchObject({ host: 'local', router: expect.stringMatching(/^(onnx|fallback)$/) });
  });

  test('streams the same text as it answers whole, and ends with usage and trace', async () => {
    const streamed = await streamChat(product.openai, { model: pinned, maxTokens: 16, seed: 9 });
    expect(streamed).toMatchObject({ finish: 'length', completionTokens: 16, trace: { router: 'pinned' } });
    expect(streamed.chunks).toBeGreaterThan(4);
    const body = {
      model: pinned,
      messages: question,
      max_tokens: 16,
      temperature: 0.8,
      seed: 9,
      ignore_eos: true,
    };
    const whole = await product.openai.chat.completions.create(body);
    expect(streamed.text).toBe(whole.choices[0]?.message.content);
  });

  test('of the base has no shards, and says something else than the experts', async () => {
    const [base, experts] = await Promise.all(
      ['base', pinned].map((model) => streamChat(product.openai, { model, maxTokens: 24 })),
    );
    expect(base?.trace).toMatchObject({ router: 'base', shards: [] });
    expect(experts?.trace?.shards).toEqual([{ name: 'cardiovascular', version: 'v1', prior: 1 }]);
    expect(base?.text).not.toBe(experts?.text);
  });

  test('comes out alike alone and among others', async () => {
    const options = { model: pinned, maxTokens: 20, seed: 3 };
    const alone = await streamChat(product.openai, options);
    const [among] = await Promise.all([
      streamChat(product.openai, options),
      streamChat(product.openai, { model: 'base', maxTokens: 20 }),
      streamChat(product.openai, { model: 'sparsedoctor', maxTokens: 20 }),
    ]);
    expect(among.text).toBe(alone.text);
  });

  test('ends for the host when its client leaves', async () => {
    const leave = new AbortController();
    await streamChat(product.openai, {
      model: 'base',
      maxTokens: 900,
      signal: leave.signal,
      onFirst: () => leave.abort(),
    }).catch((error: unknown) => expect(error).toBeInstanceOf(APIUserAbortError));
    const metrics = async (): Promise<string> => (await product.fetch('/metrics')).text();
    const poll = expect.poll(metrics, { timeout: 20_000, interval: 250 });
    await poll.toMatch(/finished_reason="abort"} 1$/m);
    await poll.toMatch(/^vllm:num_requests_running 0$/m);
  });
});

test('a scored prompt of lm-evaluation-harness comes back whole: a logarithm for each token but the first', async () => {
  const prompts = [30, 200, 7].map((length, n) =>
    Array.from({ length }, (_, i) => 300 + ((i * 17 + n) % 4000)),
  );
  const answer = await product.openai.completions.create({
    model: pinned,
    prompt: prompts,
    temperature: 0,
    max_tokens: 1,
    logprobs: 1,
    seed: 1234,
    echo: true,
  });
  expect(answer.choices.map(({ index }) => index)).toEqual([0, 1, 2]);
  for (const { index, logprobs } of answer.choices) {
    // The last one is that of the generated token.
    const own = logprobs?.token_logprobs ?? [];
    expect(own).toHaveLength(prompts[index]!.length + 1);
    expect(own.slice(1).every((value) => typeof value === 'number' && value <= 0)).toBe(true);
    const best = (logprobs?.top_logprobs ?? []).slice(1).map((top) => Math.max(...Object.values(top)));
    expect(best).toHaveLength(prompts[index]!.length);
    expect(best.every((value, at) => value >= own[at + 1]!)).toBe(true);
  }
});

test('the models are those that can be asked', async () => {
  const models = await product.openai.models.list();
  const ids = models.data.map(({ id }) => id);
  expect(ids).toEqual(expect.arrayContaining(['sparsedoctor', 'base', pinned]));
});

describe('bad input gets an error of the OpenAI shape, and the next question its answer', () => {
  const messages = question;
  const manyTokens = [{ role: 'user', content: '心'.repeat(30_000) }];
  const cases: [string, { body?: unknown; raw?: string; key?: string }, number, string][] = [
    ['broken JSON', { raw: '{"model":' }, 400, 'invalid_json'],
    [
      'a field of another type',
      { body: { model: 'base', messages, temperature: 'hot' } },
      400,
      'invalid_request',
    ],
    ['messages that are no list', { body: { model: 'base', messages: 'hello' } }, 400, 'invalid_request'],
    ['no messages', { body: { model: 'base', messages: [] } }, 400, 'invalid_request'],
    ['a huge body', { raw: ' '.repeat(limits.requestBodyBytes + 1) }, 413, 'body_too_large'],
    [
      'a prompt beyond the context',
      { body: { model: 'base', messages: manyTokens } },
      400,
      'context_length_exceeded',
    ],
    ['an unknown model', { body: { model: 'gpt-4o', messages } }, 404, 'model_not_found'],
    ['an unknown specialty', { body: { model: 'sparsedoctor:alchemy', messages } }, 404, 'model_not_found'],
    ['a wrong key', { body: { model: 'base', messages }, key: 'wrong' }, 401, 'invalid_api_key'],
  ];
  test.each(cases)('%s', async (_title, { body, raw, key }, status, code) => {
    const response = await product.fetch('/v1/chat/completions', {
      method: 'POST',
      body: raw ?? JSON.stringify(body),
      ...(key === undefined ? {} : { key }),
    });
    expect(await response.json()).toEqual({
      error: {
        message: expect.stringMatching(/\S/),
        type: expect.any(String),
        param: expect.toSatisfy(isParam),
        code,
      },
    });
    expect(response.status).toBe(status);
    const answer = await product.openai.chat.completions.create({
      model: 'base',
      messages: question,
      max_tokens: 1,
    });
    expect(answer.usage?.completion_tokens).toBe(1);
  });
});

function isParam(value: unknown): boolean {
  return value === null || typeof value === 'string';
}

function bytesOf(): Promise<Buffer> {
  return readFile(join(product.shards, 'cardiovascular', 'v1.safetensors'));
}

function flipLast(bytes: Buffer): Buffer {
  bytes[bytes.length - 1] = ~(bytes.at(-1) ?? 0) & 0xff;
  return bytes;
}

describe('a shard that cannot be right is refused whole', () => {
  const damage: [string, () => Promise<Uint8Array>, number][] = [
    ['truncated', async () => (await bytesOf()).subarray(0, -100), 400],
    ['tampered with', async () => flipLast(await bytesOf()), 400],
    ['of another version than its address', bytesOf, 400],
    ['not a shard', () => Promise.resolve(new TextEncoder().encode('no shard')), 400],
    [
      'for another base',
      async () => tinyShardBytes(await tinyModel({}, { seed: 77 }), { version: 'v9' }),
      400,
    ],
  ];
  test.each(damage)('%s', async (_title, make, status) => {
    const before = await shardList();
    const bytes = await make();
    const response = await product.fetch('/v1/shards/cardiovascular/versions/v9', {
      method: 'PUT',
      key: product.stack.adminKey,
      body: new Uint8Array(bytes),
      headers: { 'content-type': 'application/octet-stream' },
    });
    expect(await response.json()).toMatchObject({ error: { message: expect.stringMatching(/\S/) } });
    expect(response.status).toBe(status);
    expect((await shardList()).data).toEqual(before.data);
  });

  test('uploaded with the key of a client', async () => {
    const response = await product.fetch('/v1/shards/cardiovascular/versions/v9', {
      method: 'PUT',
      body: 'x',
    });
    expect(response.status).toBe(403);
  });
});

test('a swap while answers stream: those keep their version, later ones show the new one, and a rollback the old', async () => {
  const { admin } = product.stack;
  let begun = 0;
  const allBegun = Promise.withResolvers<void>();
  const onFirst = (): void => {
    begun += 1;
    if (begun === 4) allBegun.resolve();
  };
  const streams = ['sparsedoctor', pinned, pinned, pinned].map((model, seed) =>
    streamChat(product.openai, { model, maxTokens: 150, seed, onFirst }),
  );
  await Promise.race([allBegun.promise, Promise.all(streams)]);
  expect((await admin.activate('cardiovascular', 'v2')).state).toBe('active');
  const after = await streamChat(product.openai, { model: pinned, maxTokens: 8 });
  for (const stream of await Promise.all(streams)) {
    expect(stream).toMatchObject({ finish: 'length', completionTokens: 150 });
    expect(stream.trace?.shards[0]).toMatchObject({ name: 'cardiovascular', version: 'v1' });
  }
  expect(after.trace?.shards).toEqual([{ name: 'cardiovascular', version: 'v2', prior: 1 }]);

  await admin.rollback('cardiovascular');
  await expect.poll(activeVersion).toBe('v1');
  const back = await streamChat(product.openai, { model: pinned, maxTokens: 8 });
  expect(back.trace?.shards[0]?.version).toBe('v1');
});

describe('the chat page', () => {
  test('comes with a policy that lets nothing in from elsewhere', async () => {
    const response = await product.fetch('/');
    expect(await response.text()).toContain('SparseDoctor');
    expect(response.headers.get('content-security-policy')).toMatch(/^default-src 'none'/);
    expect(response.headers.get('cross-origin-opener-policy')).toBe('same-origin');
    expect(response.headers.get('cross-origin-embedder-policy')).toBe('require-corp');
  });

  test('answers on its own device with the words of the host, and asks nobody for them', async () => {
    const body = { model: pinned, messages: question, temperature: 0, top_p: 0.8, top_k: 20 };
    const hosted = await product.openai.chat.completions.create(body);
    const browser = await launchChromium();
    try {
      const { edgeUrl: url, apiKey } = product.stack;
      const visit = await openPage(
        browser,
        { url },
        { fragment: `#key=${apiKey}`, query: '?device=wasm&sampling=greedy' },
      );
      const { page } = visit;
      expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
      await page.locator('#on-device').click();
      await page.locator('#device-switch').check();
      await page.locator('#on-device[data-state=ready]').waitFor({ timeout: 120_000 });
      await page.locator('#device-close').click();
      await page.locator('#model').selectOption(pinned);
      const requests: string[] = [];
      page.on('request', (request) => requests.push(request.url()));
      await ask(page, question[0]!.content);
      await page.locator('.turn[data-status=done]').waitFor({ timeout: 120_000 });
      expect(await page.locator('.answer-text').textContent()).toBe(hosted.choices[0]?.message.content);
      expect(requests).toEqual([]);
      await visit.close();
    } finally {
      await browser.close();
    }
  }, 240_000);

  test('shows in a browser which specialties were chosen, and streams the answer of the real model', async () => {
    const browser = await launchChromium();
    try {
      const { edgeUrl: url, apiKey } = product.stack;
      const visit = await openPage(browser, { url }, { fragment: `#key=${apiKey}`, bypassCSP: true });
      const { page } = visit;
      await lendFont(page);
      await ask(page, '最近总是胸闷、心慌，血压也高，需要做什么检查？');
      await page.locator('.turn[data-status=done]').waitFor({ timeout: 120_000 });
      expect(await page.locator('.answer-text').innerText()).not.toBe('');
      expect(await page.getByRole('list', { name: '分诊结果' }).innerText()).toContain('心血管');
      expect(await page.locator('.route-summary').innerText()).toContain('local');
      await mkdir(artifacts, { recursive: true });
      await page.screenshot({ path: join(artifacts, 'end-to-end-page.png') });
      await visit.close();
    } finally {
      await browser.close();
    }
  }, 180_000);
});

const artifacts = join(projectRoot, 'build', 'artifacts');
const font = join(projectRoot, 'node_modules', '@fontsource-variable', 'noto-sans-sc');

/** The browser of the tests has no Chinese font, and the edge has none to give, nor does its policy let one in. */
async function lendFont(page: Page): Promise<void> {
  await page.route('**/test-font/**', (route) =>
    route.fulfill({ path: join(font, new URL(route.request().url()).pathname.replace('/test-font/', '')) }),
  );
  await page.addStyleTag({ url: '/test-font/index.css' });
  await page.evaluate(() => document.documentElement.style.setProperty('--sans', "'Noto Sans SC Variable'"));
}

describe('when the host dies', () => {
  test('a running stream ends with an error, and once a host is back answers come again', async () => {
    const killed = Promise.withResolvers<void>();
    const running = streamChat(product.openai, {
      model: 'base',
      maxTokens: 900,
      onFirst: () => void product.stack.host().kill().then(killed.resolve, killed.reject),
    });
    await expect(running).rejects.toThrow(/\S/);
    await killed.promise;
    await expect.poll(async () => (await product.fetch('/health')).status, { timeout: 30_000 }).toBe(503);
    const refused = product.openai.chat.completions.create(
      { model: 'base', messages: question, max_tokens: 1 },
      { headers: { 'x-sparsedoctor-max-wait-ms': '500' } },
    );
    await expect(refused).rejects.toMatchObject({ status: 503 });

    await product.stack.restartHost();
    await expect.poll(async () => (await product.fetch('/health')).status, { timeout: 30_000 }).toBe(200);
    const answer = async (): Promise<string | undefined> =>
      (await streamChat(product.openai, { model: pinned, maxTokens: 4 })).trace?.shards[0]?.version;
    expect(await answer()).toBe('v1');
  }, 180_000);
});
