/** What the chat page says and offers when something fails, in a real browser. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { launchChromium } from '../support/chromium.ts';
import { ask, eventually, openPage, turnIs, type Visit } from './open-page.ts';
import { answerText, answerWhole, apiKey, PageServer, type Answer } from './page-server.ts';

let browser: Browser;
let server: PageServer;
let visit: Visit;
let page: Page;

beforeAll(async () => {
  browser = await launchChromium();
}, 120_000);

afterAll(() => browser?.close());

beforeEach(async () => {
  server = await PageServer.start();
  visit = await openPage(browser, server);
  ({ page } = visit);
});

afterEach(async () => {
  await visit.close();
  await server.close();
});

const failure = (): Promise<string> => page.locator('.failure').innerText();

async function retryWorks(): Promise<void> {
  server.answer = answerWhole;
  await page.getByRole('button', { name: '重试' }).click();
  await turnIs(page, 'done');
  expect(await page.locator('.answer-text').innerText()).toBe(answerText);
  expect(await page.locator('.failure').count()).toBe(0);
}

describe('refusals', () => {
  const cases: [name: string, answer: Answer, says: string[]][] = [
    [
      'no host',
      ({ refuse }) => refuse(503, { code: 'no_host', message: 'No host.' }),
      ['暂时没有可用的主机。', '服务原话: No host.', '请求编号: req-42'],
    ],
    [
      'deadline',
      ({ refuse }) => refuse(504, { code: 'deadline_exceeded', message: 'Too late.' }),
      ['等得太久，服务放弃了这个请求。'],
    ],
    [
      'server error',
      ({ refuse }) => refuse(500, { code: 'internal_error', message: 'The server failed.' }),
      ['服务出错了', '请求编号: req-42'],
    ],
    [
      'a question that is too long',
      ({ refuse }) => refuse(400, { code: 'context_length_exceeded', message: 'Too long.' }),
      ['内容太长，模型读不下'],
    ],
  ];
  test.each(cases)('%s: said plainly, and retried at a click', async (_, answer, says) => {
    server.answer = answer;
    await ask(page, '问');
    await turnIs(page, 'failed');
    for (const text of says) expect(await failure()).toContain(text);
    await retryWorks();
  });

  test('a full queue names the wait and offers the retry when it is over', async () => {
    // The page's clock in the test's hands, so that nobody waits and a slow machine changes nothing.
    await page.clock.install();
    await page.reload();
    server.answer = ({ refuse }) =>
      refuse(429, { code: 'queue_full', message: 'Full.' }, { 'retry-after': '900' });
    await ask(page, '问');
    await turnIs(page, 'failed');
    expect(await failure()).toContain('现在提问的人多，排队已满。');
    const retry = page.getByRole('button', { name: /^重试/ });
    expect(await retry.innerText()).toMatch(/^重试（[89]\d\d 秒后）$/);
    expect(await retry.isEnabled()).toBe(false);
    await page.clock.fastForward(901_000);
    await eventually(() => retry.isEnabled()).toBe(true);
    await retryWorks();
  });

  test('a wrong key: asks for another and then answers the question', async () => {
    await page.evaluate(() => sessionStorage.setItem('sparsedoctor.key', 'sk-old'));
    await page.reload();
    await ask(page, '问');
    await turnIs(page, 'failed');
    expect(await failure()).toContain('访问密钥缺失或不正确。');
    await page.getByRole('button', { name: '输入密钥' }).click();
    await page.getByLabel('密钥', { exact: true }).fill(apiKey);
    await page.keyboard.press('Enter');
    await turnIs(page, 'done');
    expect(server.asked.length).toBe(1);
  });

  test('a specialty that went offline: offers routing instead', async () => {
    await page.getByRole('combobox').selectOption('sparsedoctor:tcm');
    server.answer = ({ refuse }) => refuse(404, { code: 'model_not_found', message: 'No such model.' });
    await ask(page, '问');
    await turnIs(page, 'failed');
    server.answer = answerWhole;
    await page.getByRole('button', { name: '改用自动分诊' }).click();
    await turnIs(page, 'done');
    expect(server.asked.map(({ model }) => model)).toEqual(['sparsedoctor:tcm', 'sparsedoctor']);
  });

  test('a conversation that is too long is asked again without what came before', async () => {
    await ask(page, '先');
    await turnIs(page, 'done');
    server.answer = (exchange) => {
      if (exchange.body.messages.length === 1) answerWhole(exchange);
      else exchange.refuse(400, { code: 'context_length_exceeded', message: 'Too long.' });
    };
    await ask(page, '后');
    await eventually(() => page.locator('.turn[data-status=done]').count()).toBe(2);
    expect(server.asked.map(({ messages }) => messages.length)).toEqual([1, 3, 1]);
    await page.locator('.route summary').last().click();
    expect(await page.locator('.route-body').last().innerText()).toMatch(/带上的上文\s*0 轮（更早的未带上）/);
  });
});

describe('breaks', () => {
  test('a connection that dies keeps what was said and says that it is not all', async () => {
    server.answer = async (exchange) => {
      exchange.begin();
      exchange.text('说到一半');
      await turnIs(page, 'answering');
      exchange.cut();
    };
    await ask(page, '问');
    await turnIs(page, 'failed');
    expect(await page.locator('.answer-text').innerText()).toBe('说到一半');
    expect(await failure()).toContain('连接中途断开，上面的回答不完整。');
    await retryWorks();
  });

  test('a stream that just ends is no complete answer', async () => {
    server.answer = (exchange) => {
      exchange.begin();
      exchange.text('说到一半');
      exchange.close();
    };
    await ask(page, '问');
    await turnIs(page, 'failed');
    expect(await failure()).toContain('连接中途断开');
  });

  test('an error within the stream is shown as that error', async () => {
    server.answer = (exchange) => {
      exchange.begin({ specialties: [], router: 'onnx' });
      exchange.comment('queued');
      exchange.raw({
        error: { message: 'All busy.', type: 'overloaded_error', param: null, code: 'overloaded' },
      });
      exchange.close();
    };
    await ask(page, '问');
    await turnIs(page, 'failed');
    expect(await failure()).toContain('暂时没有可用的主机。');
    expect(await failure()).toContain('All busy.');
    await retryWorks();
  });

  test('a server that is gone: says so, and the question is not lost', async () => {
    await server.close();
    await ask(page, '问');
    await turnIs(page, 'failed');
    expect(await failure()).toContain('连不上服务。');
    expect(await page.locator('.question').innerText()).toBe('问');
  });

  test('nonsense from a server is passed over, field by field', async () => {
    server.answer = (exchange) => {
      exchange.begin();
      exchange.raw('text');
      exchange.raw({
        choices: 'none',
        usage: { prompt_tokens: 'many' },
        sparsedoctor: { specialties: [{}, 1], shards: [null] },
      });
      exchange.raw({ choices: [{ delta: { content: 7 } }] });
      exchange.text('好');
      exchange.end();
    };
    await ask(page, '问');
    await turnIs(page, 'done');
    expect(await page.locator('.answer-text').innerText()).toBe('好');
  });

  test('an answer without any text says so', async () => {
    server.answer = (exchange) => {
      exchange.begin();
      exchange.end();
    };
    await ask(page, '问');
    await turnIs(page, 'done');
    expect(await page.locator('.note').innerText()).toBe('模型没有给出任何文字。');
  });
});
