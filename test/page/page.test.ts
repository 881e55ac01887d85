/** The chat page in a real browser: asking, what is shown of the route, streaming, stopping, keyboard and keys. */
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { launchChromium } from '../support/chromium.ts';
import { ask, eventually, openPage, turnIs, type Visit, type VisitOptions } from './open-page.ts';
import { answerText, answerWhole, apiKey, PageServer, trace, type Exchange } from './page-server.ts';

let browser: Browser;
let server: PageServer;
let visits: Visit[] = [];

beforeAll(async () => {
  [browser, server] = await Promise.all([launchChromium(), PageServer.start()]);
}, 120_000);

afterAll(async () => {
  await browser?.close();
  await server?.close();
});

beforeEach(() => {
  server.answer = answerWhole;
  server.asked.length = 0;
});

afterEach(async () => {
  const open = visits;
  visits = [];
  for (const visit of open) await visit.close();
});

async function visit(options: VisitOptions = {}) {
  const opened = await openPage(browser, server, options);
  visits.push(opened);
  return opened.page;
}

/** Answers by hand: resolves with the exchange once the question has arrived. */
function nextExchange(): Promise<Exchange> {
  return new Promise((resolve) => {
    server.answer = resolve;
  });
}

describe('asking', () => {
  test('specialties appear before the first word, words as they come, and the route at the end', async () => {
    const page = await visit();
    const arrived = nextExchange();
    await ask(page, '高血压平时饮食上要注意什么？');
    const exchange = await arrived;
    expect(exchange.body).toMatchObject({
      model: 'sparsedoctor',
      stream: true,
      messages: [{ role: 'user', content: '高血压平时饮食上要注意什么？' }],
    });
    exchange.begin({ specialties: trace.specialties, router: 'onnx' });
    await turnIs(page, 'waiting');
    const chips = page.getByRole('list', { name: '分诊结果' });
    await eventually(() => chips.innerText()).toContain('心血管');
    expect(await page.locator('.answer-text').isVisible()).toBe(false);
    expect(await page.locator('.progress').innerText()).toBe('排队等候中…');
    exchange.text('您好，');
    await turnIs(page, 'answering');
    expect(await page.locator('.answer-text').innerText()).toBe('您好，');
    exchange.text('少盐。');
    await eventually(() => page.locator('.answer-text').innerText()).toBe('您好，少盐。');
    exchange.end();
    await turnIs(page, 'done');
    expect(await chips.locator('.active').allInnerTexts()).toEqual([
      expect.stringMatching(/心血管\s*81%/),
      expect.stringMatching(/内分泌·肾·血液\s*34%/),
    ]);
    expect(await page.locator('.route-summary').innerText()).toBe('2 个专家分片 · host-1 · 排队 12 ms');
    await page.locator('.route summary').click();
    const route = page.locator('.route-body');
    expect(await route.innerText()).toContain('cardiovascular@2025.1 权重 75%');
    expect(await route.innerText()).toContain('神经路由器（ONNX）');
    expect(await route.innerText()).toContain('提问 14 · 回答 2');
  });

  test('an example question is asked by a click', async () => {
    const page = await visit();
    await page.getByRole('button', { name: '高血压平时饮食上要注意什么？' }).click();
    await turnIs(page, 'done');
    expect(await page.locator('.answer-text').innerText()).toBe(answerText);
  });

  test('what the model writes is text, never markup', async () => {
    const page = await visit();
    const markup = '<img src="/nowhere" onerror="document.title=1"><b>粗</b> &amp; <script>1</script>';
    server.answer = (exchange) => {
      exchange.begin();
      exchange.text(markup);
      exchange.end({ trace: { ...trace, host: '<i>host</i>' } });
    };
    await ask(page, '<u>问题</u>');
    await turnIs(page, 'done');
    expect(await page.locator('.answer-text').innerText()).toBe(markup);
    expect(await page.locator('.question').innerText()).toBe('<u>问题</u>');
    expect(await page.locator('.turn').locator('img, b, script, u, i').count()).toBe(0);
  });

  test('earlier turns go along, within bounds, and a new conversation takes none', async () => {
    const page = await visit();
    const long = '长'.repeat(600);
    server.answer = (exchange) => {
      exchange.begin();
      exchange.text(long);
      exchange.end();
    };
    for (const question of ['一', '二', '三']) {
      await ask(page, question);
      await turnIs(page, 'done');
      await eventually(() => page.locator('.turn').last().locator('.question').innerText()).toBe(question);
    }
    expect(server.asked.map(({ messages }) => messages.map(({ content }) => content))).toEqual([
      ['一'],
      ['一', long, '二'],
      ['二', long, '三'],
    ]);
    await page.getByRole('button', { name: '新对话' }).click();
    await ask(page, '四');
    await turnIs(page, 'done');
    expect(server.asked.at(-1)?.messages.map(({ content }) => content)).toEqual(['四']);
    expect(await page.locator('.turn').count()).toBe(1);
  });

  test('a specialty or the base can be chosen, from those that the edge lists', async () => {
    const page = await visit();
    const model = page.getByRole('combobox', { name: '由谁回答' });
    await eventually(() => model.locator('option').allInnerTexts()).toEqual([
      '自动分诊',
      '基础模型（无专家）',
      '心血管',
      '儿科',
      '中医中药',
    ]);
    const pinned = { ...trace, specialties: [], router: 'pinned' };
    server.answer = (exchange) => {
      exchange.begin(pinned);
      exchange.text('多喝水。');
      exchange.end({ trace: pinned });
    };
    await model.selectOption('sparsedoctor:pediatrics');
    await ask(page, '孩子发烧');
    await turnIs(page, 'done');
    expect(server.asked[0]?.model).toBe('sparsedoctor:pediatrics');
    expect(await page.locator('.chip').allInnerTexts()).toEqual([expect.stringMatching(/儿科\s*指定/)]);
  });

  test('an answer cut at its length limit says so, and can be asked for again', async () => {
    const page = await visit();
    server.answer = (exchange) => {
      exchange.begin();
      exchange.text('未完');
      exchange.end({ finish: 'length' });
    };
    await ask(page, '问');
    await turnIs(page, 'done');
    expect(await page.locator('.note').innerText()).toBe('回答达到长度上限，未写完。');
    server.answer = answerWhole;
    await page.getByRole('button', { name: '重新回答' }).click();
    await eventually(() => page.locator('.answer-text').innerText()).toBe(answerText);
    expect(await page.locator('.turn').count()).toBe(1);
  });
});

describe('stopping', () => {
  test('ends the request, keeps what was said, and the next question works', async () => {
    const page = await visit();
    const arrived = nextExchange();
    await ask(page, '问');
    const exchange = await arrived;
    exchange.begin();
    exchange.text('只说了一半');
    await turnIs(page, 'answering');
    await page.getByRole('button', { name: '停止' }).click();
    await exchange.left;
    await turnIs(page, 'stopped');
    expect(await page.locator('.answer-text').innerText()).toBe('只说了一半');
    server.answer = answerWhole;
    await ask(page, '再问');
    await turnIs(page, 'done');
    expect(await page.locator('.turn').count()).toBe(2);
  });

  test('a new conversation ends the running request', async () => {
    const page = await visit();
    const arrived = nextExchange();
    await ask(page, '问');
    const exchange = await arrived;
    exchange.begin();
    exchange.text('半');
    await turnIs(page, 'answering');
    await page.getByRole('button', { name: '新对话' }).click();
    await exchange.left;
    expect(await page.locator('.turn').count()).toBe(0);
    expect(await page.getByRole('heading', { name: '您好，想问些什么？' }).isVisible()).toBe(true);
  });
});

describe('typing', () => {
  test('Enter sends and Shift+Enter breaks the line', async () => {
    const page = await visit();
    await page.getByRole('textbox').pressSequentially('一');
    await page.keyboard.press('Shift+Enter');
    await page.keyboard.type('二');
    await page.keyboard.press('Enter');
    await turnIs(page, 'done');
    expect(server.asked[0]?.messages).toEqual([{ role: 'user', content: '一\n二' }]);
  });

  test("an input method's Enter picks a word and sends nothing", async () => {
    const page = await visit();
    const keyboard = await page.context().newCDPSession(page);
    await page.getByRole('textbox').focus();
    // Key events alone, without a character: that one the input method keeps for itself.
    const enter = async (keyCode: number): Promise<void> => {
      const key = { key: 'Enter', code: 'Enter', windowsVirtualKeyCode: keyCode };
      await keyboard.send('Input.dispatchKeyEvent', { type: 'rawKeyDown', ...key });
      await keyboard.send('Input.dispatchKeyEvent', { type: 'keyUp', ...key });
    };
    await keyboard.send('Input.imeSetComposition', {
      text: 'gao xue ya',
      selectionStart: 10,
      selectionEnd: 10,
    });
    await enter(13);
    await keyboard.send('Input.insertText', { text: '高血压' });
    // Safari's order: the composition has ended, and only the key code tells where the Enter belongs.
    await enter(229);
    expect(await page.getByRole('textbox').inputValue()).toBe('高血压');
    expect(await page.locator('.turn').count()).toBe(0);
    await page.keyboard.press('Enter');
    await turnIs(page, 'done');
    expect(server.asked.map(({ messages }) => messages[0]?.content)).toEqual(['高血压']);
  });
});

describe('the key', () => {
  test('is taken from the link and leaves the address bar, also in a tab that is open already', async () => {
    const page = await visit();
    expect(page.url()).toBe(`${server.url}/`);
    expect(await page.evaluate(() => history.length)).toBe(2);
    await page.reload();
    await ask(page, '问');
    await turnIs(page, 'done');
    const other = await visit({ fragment: '' });
    await other.goto(`${server.url}/#key=${apiKey}`);
    await eventually(() => other.url()).toBe(`${server.url}/`);
    await ask(other, '问');
    await turnIs(other, 'done');
  });

  test('is asked for where there is none, without losing the question', async () => {
    const page = await visit({ fragment: '' });
    expect(await page.getByText('需要访问密钥才能提问。').isVisible()).toBe(true);
    await ask(page, '头疼怎么办');
    const dialog = page.getByRole('dialog', { name: '访问密钥' });
    await dialog.getByLabel('密钥', { exact: true }).fill('带空格 的');
    await dialog.getByRole('button', { name: '保存' }).click();
    expect(await dialog.getByRole('alert').innerText()).toBe('密钥只能是不含空格的英文字符。');
    await dialog.getByLabel('密钥', { exact: true }).fill(apiKey);
    await dialog.getByLabel('在此设备上记住').check();
    await page.keyboard.press('Enter');
    await dialog.waitFor({ state: 'hidden' });
    expect(server.asked).toEqual([]);
    expect(await page.getByRole('textbox').inputValue()).toBe('头疼怎么办');
    await page.getByRole('textbox').press('Enter');
    await turnIs(page, 'done');
    expect(await page.evaluate(() => localStorage.getItem('sparsedoctor.key'))).toBe(apiKey);
  });
});

describe('language', () => {
  test('follows the browser, changes at a click with everything on the page, and stays', async () => {
    const page = await visit({ locale: 'en-GB' });
    expect(await page.getByRole('heading', { level: 1 }).innerText()).toBe('What would you like to ask?');
    await ask(page, '高血压');
    await turnIs(page, 'done');
    expect(await page.locator('.chip.active').first().innerText()).toMatch(/^Cardiovascular/);
    await page.getByRole('button', { name: '切换到中文' }).click();
    expect(await page.locator('.chip.active').first().innerText()).toMatch(/^心血管/);
    expect(await page.evaluate(() => document.documentElement.lang)).toBe('zh-CN');
    await page.reload();
    expect(await page.getByRole('heading', { level: 1 }).innerText()).toBe('您好，想问些什么？');
  });
});
