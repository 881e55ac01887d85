/** Opens the chat page in a browser, and holds it to what is true of every visit: no request elsewhere, no error. */
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { expect } from 'vitest';
import { apiKey, type PageServer } from './page-server.ts';

export interface Visit {
  readonly page: Page;
  /** Ends the visit. Throws if the page asked another server for anything or ran into an error of its own. */
  close(): Promise<void>;
}

export interface VisitOptions extends BrowserContextOptions {
  /** What follows the address; by default the key, as in the link that `npm start` prints. */
  readonly fragment?: string;
  /** Query parameters with their question mark. */
  readonly query?: string;
}

export async function openPage(
  browser: Browser,
  server: Pick<PageServer, 'url'>,
  options: VisitOptions = {},
): Promise<Visit> {
  const { fragment = `#key=${apiKey}`, query = '', ...context } = options;
  const own = await browser.newContext({ locale: 'zh-CN', reducedMotion: 'reduce', ...context });
  const page = await own.newPage();
  page.setDefaultTimeout(15_000);
  const elsewhere: string[] = [];
  const problems: string[] = [];
  page.on('request', (request) => {
    if (!request.url().startsWith(`${server.url}/`)) elsewhere.push(request.url());
  });
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('console', (message) => {
    // The browser itself notes answers like 429, and a server that is gone; the page says those to the person.
    const isNoted = message.text().startsWith('Failed to load resource');
    if (message.type() === 'error' && !isNoted) problems.push(message.text());
  });
  await page.goto(`${server.url}/${query}${fragment}`);
  return {
    page,
    close: async () => {
      await own.close();
      expect({ elsewhere, problems }).toEqual({ elsewhere: [], problems: [] });
    },
  };
}

export async function ask(page: Page, question: string): Promise<void> {
  await page.getByRole('textbox').fill(question);
  await page.keyboard.press('Enter');
}

/** Waits until the last question stands so. */
export async function turnIs(page: Page, status: string): Promise<void> {
  await page.locator(`.turn[data-status=${status}]:last-child`).waitFor();
}

/** `expect.poll` with the patience that a browser on a busy machine needs. */
export function eventually<Value>(read: () => Value | Promise<Value>) {
  return expect.poll(read, { timeout: 15_000 });
}
