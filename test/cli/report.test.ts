/** A run's report: made from what a run leaves, whole in itself, and legible on a phone and in the dark. */
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeReport } from '../../src/cli/report/write-report.ts';
import { launchChromium } from '../support/chromium.ts';
import { writeRunFolder } from '../support/run-folder.ts';

const directory = mkdtempSync(join(tmpdir(), 'report-'));
const artifacts = join(import.meta.dirname, '..', '..', 'build', 'artifacts');
afterAll(() => rmSync(directory, { recursive: true }));

const folder = join(directory, 'cardio <run>');
let html: string;
beforeAll(async () => {
  writeRunFolder(folder, { layers: 2, steps: 200 });
  html = readFileSync(await writeReport(folder), 'utf8');
});

const headings = (text: string): string[] => [...text.matchAll(/<h2>(.*?)<\/h2>/g)].map((match) => match[1]!);
const figuresOf = (text: string): string[] =>
  [...text.matchAll(/aria-label="(.*?)"/g)].map((match) => match[1]!);

describe('the report of a run', () => {
  test('has a section for all that was measured', () => {
    expect(headings(html)).toEqual([
      'Loss',
      'Validation by specialty',
      'Auxiliary losses',
      'Load of the experts',
      'Is routing collapsing?',
      'Outputs of the experts',
      'Pace and steps',
    ]);
    const figures = figuresOf(html);
    for (const layer of [0, 1]) {
      expect(figures).toContain(`Share of the load by specialty and expert in layer ${layer}`);
      expect(figures).toContain(`Outputs of the experts of layer ${layer} by specialty`);
    }
    expect(figures).toContain('Contrastive loss, without its weight by step');
    expect(html).toContain('心血管');
    expect(html).toContain('cardio &#60;run&#62;');
  });

  test('gives the figures of the metrics', () => {
    const last = readFileSync(join(folder, 'metrics.jsonl'), 'utf8')
      .split('\n')
      .flatMap((line): { validation?: number }[] => (line === '' ? [] : [JSON.parse(line)]))
      .findLast(({ validation }) => validation !== undefined);
    expect(html).toContain(`<dt>Validation, last</dt><dd>${last!.validation!.toFixed(3)}</dd>`);
    expect(html).toContain('<dt>Steps</dt><dd>200</dd>');
  });

  test('needs nothing but itself', () => {
    expect(html).not.toMatch(/<script|<link|<img|@import|url\(/);
    const addresses = [...html.matchAll(/https?:\/\/[^"'\s<]+/g)].map(([address]) => address);
    expect(new Set(addresses)).toEqual(
      new Set(['http://www.w3.org/2000/svg', 'http://www.w3.org/1999/xlink']),
    );
  });

  test('is the same each time', async () => {
    const again = await writeReport(folder, join(directory, 'again.html'));
    expect(readFileSync(again, 'utf8')).toBe(html);
  });
});

test('a run that is still going, or has no experts, has the sections it can have; torn lines are counted', async () => {
  const young = join(directory, 'young');
  mkdirSync(young);
  writeFileSync(
    join(young, 'metrics.jsonl'),
    '{"step":1,"loss":9.01}\n{"step":2,"loss":8.5}\n{"step":2,"loss":8.5}\n',
  );
  appendFileSync(join(young, 'metrics.jsonl'), '{"step":3,"lo');
  const text = readFileSync(await writeReport(young), 'utf8');
  expect(headings(text)).toEqual(['Loss', 'Pace and steps']);
  expect(text).toContain('up to step 2. 1 lines of its metrics could not be read.');
});

/** Each entry, and the same for a gate of attention. */
function twice(entries: object[]): object[] {
  return entries.flatMap((entry) => [entry, { ...entry, part: 'attention' }]);
}

test('gates of attention stand beside those of the FFN of their layer', async () => {
  const both = join(directory, 'both');
  writeRunFolder(both, { layers: 2, steps: 50 });
  const metrics = readFileSync(join(both, 'metrics.jsonl'), 'utf8').trimEnd().split('\n');
  const lines = metrics.map((line) => {
    const { routing, ...rest }: { routing?: object[] } = JSON.parse(line);
    return JSON.stringify(routing ? { ...rest, routing: twice(routing) } : rest);
  });
  writeFileSync(join(both, 'metrics.jsonl'), lines.join('\n'));
  const outputs: object[] = JSON.parse(readFileSync(join(both, 'outputs.json'), 'utf8'));
  writeFileSync(join(both, 'outputs.json'), JSON.stringify(twice(outputs)));
  const text = readFileSync(await writeReport(both), 'utf8');
  for (const place of ['0', '0, attention', '1', '1, attention']) {
    expect(figuresOf(text)).toContain(`Share of the load by specialty and expert in layer ${place}`);
    expect(figuresOf(text)).toContain(`Outputs of the experts of layer ${place} by expert`);
    expect(text).toContain(`layer ${place}<`);
  }
});

test('a folder of no run, and outputs that are none, are refused', async () => {
  await expect(writeReport(directory)).rejects.toMatchObject({ code: 'no_metrics' });
  const bad = join(directory, 'bad');
  mkdirSync(bad);
  writeFileSync(join(bad, 'metrics.jsonl'), '{"step":1,"loss":9}\n');
  writeFileSync(join(bad, 'outputs.json'), '[{"layer":"first"}]');
  await expect(writeReport(bad)).rejects.toMatchObject({ code: 'bad_outputs' });
});

describe('on a screen', () => {
  test.each([
    ['desktop', 'light', 1280],
    ['desktop', 'dark', 1280],
    ['phone', 'light', 375],
  ] as const)('%s, %s: nothing is wider than it, nothing is fetched', async (name, colorScheme, width) => {
    const browser = await launchChromium();
    try {
      const page = await browser.newPage({ colorScheme, viewport: { width, height: 900 } });
      const outside: string[] = [];
      page.on('request', (request) => outside.push(request.url()));
      page.on('console', (message) => outside.push(message.text()));
      const address = pathToFileURL(join(folder, 'report.html')).href;
      await page.goto(address);
      expect(outside).toEqual([address]);
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
      // Where a figure is wider it scrolls by itself: its text stays as large as it was made.
      const scales = await page.evaluate(() =>
        [...document.querySelectorAll('svg')].map(
          (svg) => svg.getBoundingClientRect().width / svg.viewBox.baseVal.width,
        ),
      );
      expect(Math.min(...scales)).toBeGreaterThan(0.85);
      const ink = await page.evaluate(() => getComputedStyle(document.querySelector('svg text')!).fill);
      expect(ink).toBe(colorScheme === 'dark' ? 'rgb(154, 167, 162)' : 'rgb(90, 101, 98)');
      await mkdir(artifacts, { recursive: true });
      await page.screenshot({ path: join(artifacts, `report-${name}-${colorScheme}.png`), fullPage: true });
    } finally {
      await browser.close();
    }
  });
});
