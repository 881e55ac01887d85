/** "Answer on this device" in a real browser: a tiny random model, downloaded, kept, checked, and asked without a server. */
import { readdir, readFile } from 'node:fs/promises';
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

describe('with threads', () => {
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
    expect(await page.locator('.route-summary').innerText()).toMatch(/WebAssembly.* · \d[\d.]* 词元\/秒/);
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
});
