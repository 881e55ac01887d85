/**
 * How the chat page looks and whom it leaves out: screens, contrast, sizes, screen readers. The screenshots are kept in
 * build/artifacts for people to look at.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Browser, type BrowserContextOptions, type Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { launchChromium } from '../support/chromium.ts';
import { ask, eventually, openPage, turnIs } from './open-page.ts';
import { answerWhole, PageServer } from './page-server.ts';

const artifacts = join(import.meta.dirname, '..', '..', 'build', 'artifacts');
const phone: BrowserContextOptions = {
  viewport: { width: 375, height: 720 },
  isMobile: true,
  hasTouch: true,
  deviceScaleFactor: 2,
};
const desktop: BrowserContextOptions = { viewport: { width: 1280, height: 860 } };

let browser: Browser;
let server: PageServer;

beforeAll(async () => {
  [browser, server] = await Promise.all([launchChromium(), PageServer.start()]);
  await mkdir(artifacts, { recursive: true });
}, 120_000);

afterAll(async () => {
  await browser?.close();
  await server?.close();
});

beforeEach(() => {
  server.answer = answerWhole;
  server.intercept = null;
});

/** The browser of the tests has no Chinese font; one from npm stands in for the person's own. */
async function lendFont(page: Page): Promise<void> {
  await page.addStyleTag({ url: '/test-font/index.css' });
  await page.evaluate(() =>
    document.documentElement.style.setProperty('--sans', "'Noto Sans SC Variable', sans-serif"),
  );
}

async function screenshot(page: Page, name: string): Promise<void> {
  await page.evaluate(() => document.fonts.ready.then(() => undefined));
  await page.screenshot({ path: join(artifacts, `page-${name}.png`) });
}

/** Elements that can be pressed and are smaller than a fingertip, and whether the page is wider than its screen. */
function misfits(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const { scrollWidth, clientWidth } = document.documentElement;
    const small = [...document.querySelectorAll('button, select, summary')].flatMap((element) => {
      const { width, height } = element.getBoundingClientRect();
      if (width === 0) return [];
      return width >= 44 && height >= 44 ? [] : [`${element.className || element.id} ${width}×${height}`];
    });
    return scrollWidth > clientWidth ? [`page is ${scrollWidth} wide on ${clientWidth}`, ...small] : small;
  });
}

describe.each([
  ['desktop', desktop],
  ['phone', phone],
] as const)('on a %s', (name, screen) => {
  test.each(['light', 'dark'] as const)(
    'everything fits and can be pressed; screenshots, %s',
    async (colorScheme) => {
      const visit = await openPage(browser, server, { ...screen, colorScheme, bypassCSP: true });
      const { page } = visit;
      await lendFont(page);
      await screenshot(page, `${name}-${colorScheme}-welcome`);
      expect(await misfits(page)).toEqual([]);
      await page.locator('.example').first().click();
      await turnIs(page, 'done');
      await screenshot(page, `${name}-${colorScheme}-answer`);
      await page.locator('.route summary').click();
      await page.mouse.wheel(0, 2000);
      await eventually(() => page.getByRole('button', { name: '回到最新' }).isVisible()).toBe(false);
      await screenshot(page, `${name}-${colorScheme}-route`);
      expect(await misfits(page)).toEqual([]);
      server.answer = ({ refuse }) => refuse(503, { code: 'no_host', message: 'No host is connected.' });
      await ask(page, `很长的词${'a'.repeat(300)}`);
      await turnIs(page, 'failed');
      await screenshot(page, `${name}-${colorScheme}-failure`);
      expect(await misfits(page)).toEqual([]);
      await page.getByRole('button', { name: '关于' }).click();
      await screenshot(page, `${name}-${colorScheme}-about`);
      expect(await page.getByRole('dialog').innerText()).toContain('不是医生');
      await visit.close();
    },
  );

  test.each(['light', 'dark'] as const)(
    'answering on this device fits, too, in each of its states; screenshots, %s',
    async (colorScheme) => {
      const visit = await openPage(browser, server, {
        ...screen,
        colorScheme,
        bypassCSP: true,
        query: '?device=wasm',
      });
      const { page } = visit;
      await lendFont(page);
      const body = page.locator('#device-body');
      const look = async (state: string): Promise<void> => {
        await screenshot(page, `${name}-${colorScheme}-device-${state}`);
        expect(await misfits(page)).toEqual([]);
      };
      const breakOff = Promise.withResolvers<() => void>();
      server.intercept = (path, response) => {
        if (!path.startsWith('/v1/shards/pediatrics/')) return false;
        response.writeHead(200).flushHeaders();
        breakOff.resolve(() => response.destroy());
        return true;
      };
      await page.locator('#on-device').click();
      await eventually(() => body.innerText()).toContain('MB');
      await look('planned');
      await page.locator('#device-switch').check();
      const cut = await breakOff.promise;
      await eventually(() => body.innerText()).toMatch(/[1-9][\d.]* MB \/ /);
      await look('loading');
      cut();
      await eventually(() => body.innerText()).toContain('中断');
      await look('broken-off');
      server.intercept = null;
      await page.getByRole('button', { name: '继续下载' }).click();
      await page.locator('#on-device[data-state=ready]').waitFor();
      await look('ready');
      await page.locator('#device-close').click();
      await ask(page, '高血压平时饮食上要注意什么？');
      await page.locator('.turn[data-status=done]').waitFor({ timeout: 60_000 });
      await look('answer');
      await visit.close();
    },
  );
});

test('the longest words of both languages fit a phone, also where this device is not ready', async () => {
  const visit = await openPage(browser, server, { ...phone, locale: 'en-GB', query: '?device=webgpu' });
  const { page } = visit;
  await page.locator('#on-device').click();
  await page.locator('#device-switch').check();
  await page.locator('#on-device[data-state=failed]').waitFor();
  await screenshot(page, 'phone-light-device-failed-en');
  await page.locator('#device-close').click();
  await page.locator('#model').selectOption('base');
  await screenshot(page, 'phone-light-composer-en');
  expect(await misfits(page)).toEqual([]);
  await visit.close();
});

test.each(['light', 'dark'] as const)(
  'text stands out from its ground by 4.5 to 1 at least, %s',
  async (colorScheme) => {
    const visit = await openPage(browser, server, { colorScheme });
    const ratios = await visit.page.evaluate(() => {
      const style = getComputedStyle(document.documentElement);
      const luminance = (name: string): number => {
        const hex = style.getPropertyValue(name).trim();
        const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
          const part = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
          return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
      };
      const pairs: [string, string][] = [
        ...['--paper', '--surface', '--question', '--wash', '--warn-wash'].flatMap(
          (ground): [string, string][] => [
            ['--ink', ground],
            ['--quiet', ground],
          ],
        ),
        ['--ink', '--fill'],
        ['--accent', '--surface'],
        ['--accent', '--wash'],
        ['--on-accent', '--accent'],
        ['--on-accent', '--accent-strong'],
        ['--warn', '--surface'],
        ['--warn', '--warn-wash'],
      ];
      return pairs.map(([text, ground]): [string, number] => {
        const [dark = 0, bright = 0] = [luminance(text), luminance(ground)].sort((a, b) => a - b);
        return [`${text} on ${ground}`, (bright + 0.05) / (dark + 0.05)];
      });
    });
    expect(ratios.filter(([, ratio]) => !(ratio >= 4.5))).toEqual([]);
    await visit.close();
  },
);

test('a screen reader hears the answer by the sentence, and when it is over', async () => {
  const visit = await openPage(browser, server);
  const { page } = visit;
  const heard: string[] = [];
  await page.exposeFunction('hear', (text: string) => heard.push(text));
  await page.evaluate(() => {
    const hear: unknown = Reflect.get(globalThis, 'hear');
    const region = document.querySelector('[role=status]');
    if (!region || typeof hear !== 'function') return;
    new MutationObserver(() => void hear(region.textContent)).observe(region, { childList: true });
  });
  server.answer = async (exchange) => {
    exchange.begin();
    for (const piece of ['多喝', '水。少', '熬', '夜']) {
      exchange.text(piece);
      // One at a time: what is said in one task would be heard as one.
      await page.waitForFunction(
        (text) => document.querySelector('.answer-text')?.textContent?.endsWith(text),
        piece,
      );
    }
    exchange.end();
  };
  await ask(page, '问');
  await turnIs(page, 'done');
  await eventually(() => heard).toEqual(['正在分诊…', '多喝水。', '少熬夜 回答完毕。']);
  await visit.close();
});

test('every control has a name, and the page can be used by keyboard alone', async () => {
  const visit = await openPage(browser, server, desktop);
  const { page } = visit;
  const reached: string[] = [];
  for (let presses = 0; presses < 12; presses++) {
    await page.keyboard.press('Tab');
    const name = await page.evaluate(() => {
      const element = document.activeElement;
      if (!(element instanceof HTMLElement) || element === document.body) return '';
      const isField = element instanceof HTMLTextAreaElement || element instanceof HTMLSelectElement;
      const label = isField ? element.labels[0]?.textContent.trim().split(' ')[0] : undefined;
      return element.getAttribute('aria-label') ?? label ?? element.innerText;
    });
    reached.push(name.split('\n')[0]?.trim() ?? '');
  }
  // With a mouse and keyboard the question box has the focus at first; after the last control comes the browser's own.
  expect(reached).toEqual([
    '由谁回答',
    '在本机回答：设置',
    '',
    '跳到输入框',
    '密钥',
    '关于',
    'Switch to English',
    '心血管',
    '儿科',
    '消化肝胆',
    '精神心理',
    '您的问题',
  ]);
  await page.getByRole('textbox').focus();
  await page.keyboard.type('问');
  await page.keyboard.press('Enter');
  await turnIs(page, 'done');
  expect(await page.evaluate(() => document.activeElement?.id)).toBe('question');
  await visit.close();
});

test('reading further up is not interrupted by an answer that grows', async () => {
  const visit = await openPage(browser, server, { viewport: { width: 800, height: 500 } });
  const { page } = visit;
  server.answer = async (exchange) => {
    exchange.begin();
    exchange.text('一行\n'.repeat(60));
    await eventually(() => page.evaluate(() => scrollY)).toBeGreaterThan(500);
    await page.mouse.move(400, 200);
    await page.mouse.wheel(0, -600);
    await page.getByRole('button', { name: '回到最新' }).waitFor();
    const before = await page.evaluate(() => scrollY);
    exchange.text(`${'一行\n'.repeat(60)}末`);
    await page.waitForFunction(() => document.querySelector('.answer-text')?.textContent?.endsWith('末'));
    expect(await page.evaluate(() => scrollY)).toBe(before);
    exchange.end();
  };
  await ask(page, '问');
  await turnIs(page, 'done');
  await page.getByRole('button', { name: '回到最新' }).click();
  expect(
    await page.evaluate(() => document.documentElement.scrollHeight - innerHeight - scrollY),
  ).toBeLessThan(2);
  await visit.close();
});
