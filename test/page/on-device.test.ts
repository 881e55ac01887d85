/** "Answer on this device" in a real browser: a tiny random model, downloaded, kept, checked, and asked without a server. */
import { readFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { greedy } from '../../src/engine/request.ts';
import { Engine } from '../../src/engine/engine.ts';
import { createChatEncoder } from '../../src/model/chat-template.ts';
import { readShardFile } from '../../src/model/shard-file.ts';
import { createTokenizer } from '../../src/model/tokenizer.ts';
import { Transformer } from '../../src/model/transformer.ts';
import { createWasmDevice } from '../../src/tensor/wasm/node.ts';
import { launchChromium } from '../support/chromium.ts';
import { ask, eventually, openPage, turnIs, type Visit, type VisitOptions } from './open-page.ts';
import { answerText, answerWhole, PageServer } from './page-server.ts';

let browser: Browser;
let server: PageServer;
let visits: Visit[] = [];

const question = '高血压平时饮食上要注意什么？';
const pinned = 'sparsedoctor:cardiovascular';

beforeAll(async () => {
  [browser, server] = await Promise.all([launchChromium(), PageServer.start()]);
}, 120_000);

afterAll(async () => {
  await browser?.close();
  await server?.close();
});

beforeEach(() => {
  server.answer = answerWhole;
  server.intercept = null;
  server.isolates = true;
  server.asked.length = 0;
  server.requested.length = 0;
});

afterEach(async () => {
  const open = visits;
  visits = [];
  for (const visit of open) await visit.close();
});

async function visit(options: VisitOptions = {}): Promise<Page> {
  const opened = await openPage(browser, server, options);
  visits.push(opened);
  return opened.page;
}

async function openDialog(page: Page): Promise<void> {
  await page.locator('#on-device').click();
  await page.locator('#device-switch').isEnabled();
}

/** Opens the dialog and moves the switch. */
async function turnOn(page: Page): Promise<void> {
  await openDialog(page);
  await page.locator('#device-switch').check();
}

async function stateIs(page: Page, state: string): Promise<void> {
  await page.locator(`#on-device[data-state=${state}]`).waitFor({ timeout: 60_000 });
}

async function closeDialog(page: Page): Promise<void> {
  await page.locator('#device-close').click();
}

/** What a host says to the same question, greedy, with the shard of the pinned specialty. */
async function hostAnswer(maxTokens: number): Promise<string> {
  const { model, shards, base } = server.weights;
  const text = (name: string): Promise<string> => readFile(join(model, name), 'utf8');
  const tokenizer = createTokenizer({
    tokenizer: await text('tokenizer.json'),
    tokenizerConfig: await text('tokenizer_config.json'),
  });
  const device = await createWasmDevice({ threads: 1 });
  const transformer = await Transformer.load(device, base.checkpoint, {
    pages: 128,
    experts: { slots: 8, rank: 8 },
  });
  const file = await readShardFile(await readFile(join(shards, 'cardiovascular', 'v1.safetensors')));
  const shard = await transformer.experts.load(file);
  const engine = new Engine(transformer);
  const messages = [{ role: 'user' as const, content: question }];
  const prompt = createChatEncoder(tokenizer).encodeChat(messages, { addGenerationPrompt: true });
  const decoder = tokenizer.createStreamDecoder();
  let answer = '';
  const events = engine.generate({
    prompt: Uint32Array.from(prompt),
    maxTokens,
    stopTokens: tokenizer.endOfTextIds,
    route: { shards: [{ shard, prior: 1 }] },
    sampling: greedy,
  });
  for await (const event of events) if (event.kind === 'token') answer += decoder.push(event.token);
  await engine.close();
  await device.dispose();
  return answer + decoder.end();
}

test('says how much it downloads, downloads it once, and then answers as a host does, asking nobody', async () => {
  const page = await visit({ query: '?device=wasm&sampling=greedy' });
  expect(server.requested.filter((path) => path.includes('engine'))).toEqual([]);
  await openDialog(page);
  await eventually(() => page.locator('#device-body').innerText()).toMatch(/下载 \d[\d.]* MB/);
  expect(server.requested.filter((path) => /^\/model\/[0-9a-f]/.test(path))).toEqual([]);
  await page.locator('#device-switch').check();
  await stateIs(page, 'ready');
  expect(await page.locator('#device-body').innerText()).toMatch(/WebAssembly，\d+ 线程/);
  expect(await page.locator('.device-note').count()).toBe(0);
  await closeDialog(page);
  await page.locator('#model').selectOption(pinned);

  const seen: string[] = [];
  page.on('request', (request) => seen.push(request.url()));
  server.requested.length = 0;
  await ask(page, question);
  await turnIs(page, 'done');
  const answer = await page.locator('.answer-text').textContent();
  expect(answer).toBe(await hostAnswer(512));
  expect(answer).not.toBe('');
  expect(await page.locator('.route-summary').innerText()).toMatch(/本机 · \d[\d.]* 词元\/秒/);
  expect([...seen, ...server.requested]).toEqual([]);

  // The same once more without a server, after a reload that finds everything on the disk.
  await page.reload();
  await stateIs(page, 'ready');
  expect(server.requested.filter((path) => /^\/model\/[0-9a-f]|versions/.test(path))).toEqual([]);
  server.intercept = (_, response) => {
    response.destroy();
    return true;
  };
  server.requested.length = 0;
  await page.locator('#model').selectOption(pinned);
  await ask(page, question);
  await turnIs(page, 'done');
  expect(await page.locator('.answer-text').textContent()).toBe(answer);
  expect(server.requested).toEqual([]);
});

test('routes on the device, to the specialties that the question is about; no GPU is no obstacle', async () => {
  const page = await visit();
  await turnOn(page);
  await stateIs(page, 'ready');
  expect(await page.locator('#device-body').innerText()).toContain('WebAssembly');
  expect(await page.locator('.device-note').count()).toBe(0);
  await closeDialog(page);
  await ask(page, '最近总是胸闷、心慌，血压也高，需要做什么检查？');
  await turnIs(page, 'done');
  expect(await page.getByRole('list', { name: '分诊结果' }).locator('.active').first().innerText()).toContain(
    '心血管',
  );
  await page.locator('.route summary').click();
  expect(await page.locator('.route-body').innerText()).toContain('神经路由器（在本机）');
});

test('without shared memory one thread computes, and the page says so', async () => {
  server.isolates = false;
  const page = await visit({ query: '?device=wasm&sampling=greedy' });
  expect(await page.evaluate(() => crossOriginIsolated)).toBe(false);
  await turnOn(page);
  await stateIs(page, 'ready');
  expect(await page.locator('#device-body').innerText()).toContain('1 线程');
  expect(await page.locator('.device-note').innerText()).toContain('SharedArrayBuffer');
  await closeDialog(page);
  await page.locator('#model').selectOption(pinned);
  await ask(page, question);
  await turnIs(page, 'done');
  expect(await page.locator('.answer-text').textContent()).toBe(await hostAnswer(512));
});

test('a GPU computes the same words; a software GPU only when it is asked for', async () => {
  const page = await visit({ query: '?device=webgpu&sampling=greedy' });
  await turnOn(page);
  await stateIs(page, 'failed');
  expect(await page.locator('#device-body').innerText()).toContain('没有找到可用的显卡');
  await page.goto(`${server.url}/?device=webgpu-software&sampling=greedy`);
  await stateIs(page, 'ready');
  await page.locator('#on-device').click();
  expect(await page.locator('#device-body').innerText()).toMatch(/WebGPU.*swiftshader/i);
  await closeDialog(page);
  await page.locator('#model').selectOption(pinned);
  await ask(page, question);
  const expected = await hostAnswer(24);
  await eventually(() => page.locator('.answer-text').textContent()).toContain(expected);
  await page.locator('#stop').click();
  await turnIs(page, 'stopped');
});

describe('a download', () => {
  test('that breaks off says so, keeps what arrived, and goes on from there', async () => {
    const page = await visit({ query: '?device=wasm' });
    const { requested } = server;
    let left = 3;
    server.intercept = (path, response) => {
      if (!isPart(path) || left-- > 0) return false;
      response.writeHead(200, { 'content-length': '1000' });
      response.write('half');
      setTimeout(() => response.destroy(), 50);
      return true;
    };
    await turnOn(page);
    await stateIs(page, 'failed');
    expect(await page.getByRole('alert').filter({ visible: true }).innerText()).toContain('下载中断了');
    const first = requested.filter(isPart);
    expect(first.length).toBe(4);
    server.intercept = null;
    requested.length = 0;
    await closeDialog(page);
    await page.locator('#on-device').click();
    await page.getByRole('button', { name: '继续下载' }).click();
    await stateIs(page, 'ready');
    const second = requested.filter(isPart);
    expect(second).toContain(first[3]);
    expect(second.filter((path) => first.slice(0, 3).includes(path))).toEqual([]);
  });

  test('of other bytes than were promised is not used', async () => {
    const page = await visit({ query: '?device=wasm' });
    server.intercept = (path, response) => {
      if (!path.startsWith('/v1/shards/digestive/')) return false;
      void damaged(join(server.weights.shards, 'digestive', 'v1.safetensors')).then((bytes) =>
        response.end(bytes),
      );
      return true;
    };
    await turnOn(page);
    await stateIs(page, 'failed');
    expect(await page.locator('#device-body').innerText()).toContain('校验不符');
  });

  test('can be given up, and waits for a key', async () => {
    const page = await visit({ query: '?device=wasm', fragment: '' });
    await openDialog(page);
    await page.locator('#device-body').getByRole('button', { name: '输入密钥' }).click();
    await page.locator('#key').fill('sk-page-test');
    await page.getByRole('button', { name: '保存' }).click();
    server.intercept = (path) => path.startsWith('/model/') && !path.endsWith('.json');
    await turnOn(page);
    await stateIs(page, 'loading');
    await page.locator('#device-switch').uncheck();
    await eventually(() => page.locator('#device-body').innerText()).toMatch(/打开后下载/);
    expect(await page.locator('#on-device').getAttribute('aria-pressed')).toBe('false');
  });
});

describe('what is kept', () => {
  test('is checked when it is read: a damaged part is fetched anew', async () => {
    const page = await visit({ query: '?device=wasm' });
    await turnOn(page);
    await stateIs(page, 'ready');
    const damagedPath = await page.evaluate(async () => {
      const cache = await caches.open('sparsedoctor-model');
      const [request] = await cache.keys();
      const bytes = new Uint8Array(await (await cache.match(request!))!.arrayBuffer());
      bytes[bytes.length - 1]! ^= 1;
      await cache.put(request!, new Response(bytes));
      return new URL(request!.url).pathname;
    });
    server.requested.length = 0;
    await page.reload();
    await stateIs(page, 'ready');
    const fetched = server.requested.filter((path) => isPart(path) || path.includes('versions'));
    expect(fetched).toEqual([damagedPath]);
  });

  test('can be deleted', async () => {
    const page = await visit({ query: '?device=wasm' });
    await turnOn(page);
    await stateIs(page, 'ready');
    await page.getByRole('button', { name: '删除本机模型' }).click();
    await eventually(() => page.evaluate(() => caches.keys())).toEqual([]);
    expect(await page.locator('#on-device').getAttribute('aria-pressed')).toBe('false');
    await ask(page, question);
    await turnIs(page, 'done');
    expect(await page.locator('.answer-text').innerText()).toBe(answerText);
  });
});

test('a question asked during the download waits for this device, and what was said here never goes to the server', async () => {
  const page = await visit({ query: '?device=wasm' });
  const held = Promise.withResolvers<ServerResponse>();
  server.intercept = (path, response) => {
    if (!path.startsWith('/v1/shards/digestive/')) return false;
    held.resolve(response);
    return true;
  };
  await turnOn(page);
  const response = await held.promise;
  await closeDialog(page);
  await ask(page, '只在本机说的话');
  await turnIs(page, 'routing');
  expect(await page.locator('.progress').innerText()).toBe('正在准备本机模型…');
  response.end(await readFile(join(server.weights.shards, 'digestive', 'v1.safetensors')));
  await turnIs(page, 'done');
  expect(server.asked).toEqual([]);
  expect(await page.locator('.route-summary').innerText()).toContain('本机');
  await page.locator('#on-device').click();
  await page.locator('#device-switch').uncheck();
  await closeDialog(page);
  await ask(page, '发给服务的话');
  await eventually(() => server.asked.length).toBe(1);
  expect(server.asked[0]?.messages.map(({ content }) => content)).toEqual(['发给服务的话']);
  await turnIs(page, 'done');
});

describe('a browser that cannot give what is asked', () => {
  test('has no storage: the model works, and is downloaded again next time', async () => {
    const page = await visit({ query: '?device=wasm' });
    await changeEngine(page, 'Object.defineProperty(globalThis, "caches", { value: undefined });');
    await turnOn(page);
    await stateIs(page, 'ready');
    expect(await page.locator('.device-note').innerText()).toContain('没有可用的存储空间');
  });

  test('has no memory: the page says so, and what to do', async () => {
    const page = await visit({ query: '?device=wasm' });
    const refusal = 'constructor() { throw new RangeError("refused"); }';
    await changeEngine(page, `WebAssembly.Memory = class { ${refusal} };`);
    await turnOn(page);
    await stateIs(page, 'failed');
    expect(await page.locator('#device-body').innerText()).toContain('内存不够');
    await closeDialog(page);
    await ask(page, question);
    await turnIs(page, 'failed');
    expect(await page.locator('.failure').innerText()).toContain('内存不够');
    expect(server.asked).toEqual([]);
  });

  test('loses its GPU: the question fails honestly, the processor takes over and says so', async () => {
    const page = await visit({ query: '?device=webgpu-software' });
    await changeEngine(
      page,
      `const { requestDevice } = GPUAdapter.prototype;
      GPUAdapter.prototype.requestDevice = async function (...options) {
        return (globalThis.testDevice = await requestDevice.apply(this, options));
      };`,
    );
    await turnOn(page);
    await stateIs(page, 'ready');
    await closeDialog(page);
    await ask(page, question);
    await turnIs(page, 'answering');
    const engine = page.workers().find((worker) => worker.url().includes('engine'));
    await engine?.evaluate('testDevice.destroy()');
    await turnIs(page, 'failed');
    expect(await page.locator('.failure').innerText()).toContain('显卡中途不可用');
    await stateIs(page, 'ready');
    await page.getByRole('button', { name: '重试' }).click();
    await turnIs(page, 'done');
    await page.locator('#on-device').click();
    expect(await page.locator('#device-body').innerText()).toContain('WebAssembly');
    expect(await page.locator('.device-note').innerText()).toContain('显卡中途不可用');
  });

  test('has a GPU that cannot run the model: the processor does, and the page says so', async () => {
    const page = await visit();
    await changeEngine(
      page,
      `Object.defineProperty(GPUAdapterInfo.prototype, 'isFallbackAdapter', { get: () => false });
      GPUDevice.prototype.createComputePipelineAsync = () => Promise.reject(new Error('refused'));`,
    );
    await turnOn(page);
    await stateIs(page, 'ready');
    expect(await page.locator('#device-body').innerText()).toContain('WebAssembly');
    expect(await page.locator('.device-note').innerText()).toContain('显卡不能运行这个模型');
  });

  test('is not on a secure origin: the page says so', async () => {
    const page = await visit({ query: '?device=wasm' });
    await changeEngine(page, 'Object.defineProperty(globalThis, "isSecureContext", { value: false });');
    await openDialog(page);
    await eventually(() => page.locator('#device-body').innerText()).toContain('HTTPS');
  });
});

/** Runs `code` in the engine's Worker before the engine itself. */
async function changeEngine(page: Page, code: string): Promise<void> {
  await page.route('**/assets/engine-*.js', async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: `${code}\n${await response.text()}` });
  });
}

function isPart(path: string): boolean {
  return /^\/model\/[0-9a-f]{64}$/.test(path);
}

async function damaged(path: string): Promise<Buffer> {
  const bytes = await readFile(path);
  bytes[bytes.length - 1]! ^= 1;
  return bytes;
}
