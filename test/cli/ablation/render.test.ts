/** From results with known effects to the page: verdicts, numbers, and pages of results that are not whole. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { summarise } from '../../../src/cli/ablation/compare.ts';
import { renderAblation } from '../../../src/cli/ablation/render.ts';
import type { RenderedAblation } from '../../../src/cli/ablation/render.ts';
import { keepItems, writeResult } from '../../../src/cli/ablation/results.ts';
import type { ArmResult } from '../../../src/cli/ablation/results.ts';
import { registerAblationCommand } from '../../../src/cli/commands/ablation.ts';
import { items, madeResult } from './made-results.ts';

const SEEDS = [1, 2, 3];
/** Seeds vary by 0.001 bits. */
const ofSeed = (seed: number): number => (seed - 2) * 0.001;
const layer = (at: number, silhouette: number | null) => ({
  layer: at,
  entropy: 1 + at,
  mutualInformation: 0.02,
  silhouette,
  withinVariance: 0.75,
  load: [0.25 + 0.1 * at, 0.75 - 0.1 * at],
});

const base = madeResult('base', 1);
const lora = SEEDS.map((seed) =>
  madeResult('lora', seed, {
    // 0.05 better than the base: 0.08 on tcm, 0.05 on neurology, 0.02 where there is no specialty.
    bits: (at) => ofSeed(seed) - [0.08, 0.05, 0.02][at % 3]!,
    margin: 0.3,
    // Of cmb two, three, two of four.
    letterRight: [1, 1, seed === 2 ? 1 : 0, 0, 0, 0, 0, 0],
    changes: { routing: [layer(0, null)] },
  }),
);
const loraMoe = SEEDS.map((seed) =>
  madeResult('lora-moe', seed, {
    bits: () => ofSeed(seed),
    margin: -0.2,
    changes: { routing: [layer(0, 0.1), layer(1, 0.3)] },
  }),
);
// As good as the base in the mean, better here and worse there.
const full = SEEDS.map((seed) => madeResult('full', seed, { bits: (at) => (at % 2 === 0 ? 0.1 : -0.1) }));

const render = (results: readonly ArmResult[]): Promise<RenderedAblation> =>
  renderAblation(summarise(items, results), results, 'plots');

/** Cells of the row that begins so, in the section of this title. */
function cells(markdown: string, section: string, first: string): string[] {
  const part = markdown.split(/^## /m).find((text) => text.startsWith(section)) ?? '';
  const row = part.split('\n').find((line) => line.startsWith(`| ${first} |`)) ?? '';
  return row
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim());
}

describe('a page of known effects', () => {
  let page: RenderedAblation;
  beforeAll(async () => {
    page = await render([base, ...lora, ...loraMoe, ...full]);
  });

  test.each([
    ['Bits per character', 'single LoRA − base', '-0.0500', 'better'],
    ['Bits per character', 'LoRA-MoE − single LoRA', '+0.0500', 'worse'],
    ['Bits per character', 'LoRA-MoE − base', '0.0000', 'not told apart'],
    ['Bits per character', 'full fine-tuning − base', '0.0000', 'not told apart'],
    ['Margin of the right option, its text', 'single LoRA − base', '+0.3000', 'better'],
    ['Margin of the right option, its text', 'LoRA-MoE − base', '-0.2000', 'worse'],
    ['Margin of the right option, its letter', 'LoRA-MoE − single LoRA', '-0.5000', 'worse'],
  ])('%s: %s is %s, %s', (section, pair, value, verdict) => {
    const row = cells(page.markdown, section, pair);
    expect(Math.abs(Number(row[1]) - Number(value))).toBe(0);
    expect(row[4]).toBe(verdict);
    const [low = NaN, high = NaN] = row[2]!.split(' to ').map(Number);
    expect(low).toBeLessThanOrEqual(Number(value));
    expect(high).toBeGreaterThanOrEqual(Number(value));
  });

  const detectable = (pair: string): number => Number(cells(page.markdown, 'Bits per character', pair)[3]);

  test('says how small a difference could have been seen', () => {
    // By hand: items ±0.1 over 60 answers; seeds −0.001, 0 and 0.001, three of them drawn. The rest is the luck of 2,000 draws.
    const ofItems = 2.8 * (0.1 / Math.sqrt(60));
    const ofSeeds = 2.8 * 0.001 * Math.sqrt(2 / 9);
    expect(Math.abs(detectable('full fine-tuning − base') / ofItems - 1)).toBeLessThan(0.1);
    expect(Math.abs(detectable('LoRA-MoE − base') / ofSeeds - 1)).toBeLessThan(0.1);
  });

  test('gives each arm its means over seeds, by hand', () => {
    // Difficulty: 1.5 + 0.01 · mean of 0 to 59.
    expect(cells(page.markdown, 'Arms', 'base')).toEqual([
      'base',
      '1',
      '0',
      '–',
      '–',
      '1.7950 ± 0.0000',
      '0.0500 ± 0.0000',
      '0.0250 ± 0.0000',
      '50.0 ± 0.0 %',
      '25.0 ± 0.0 %',
    ]);
    expect(cells(page.markdown, 'Arms', 'single LoRA')).toEqual([
      'single LoRA',
      '3',
      '1,234',
      '1002',
      '100 MiB',
      '1.7450 ± 0.0010',
      '0.3500 ± 0.0000',
      '0.3250 ± 0.0000',
      '58.3 ± 14.4 %',
      '0.0 ± 0.0 %',
    ]);
    expect(page.markdown).toContain('3 seeds; 128 steps, 262,144 tokens a run;');
    expect(page.markdown).toContain('60 held-out answers, 8 exam questions.');
  });

  test('gives bits by specialty, answers of none among them', () => {
    const [, ofBase, , ofLora] = cells(page.markdown, 'By specialty', 'tcm').map(Number);
    expect(ofLora! - ofBase!).toBeCloseTo(-0.08, 6);
    const [, baseNone, , loraNone] = cells(page.markdown, 'By specialty', 'none').map(Number);
    expect(loraNone! - baseNone!).toBeCloseTo(-0.02, 6);
  });

  test('gives routing as means over layers and seeds, and a dash for what there is not', () => {
    expect(cells(page.markdown, 'Routing', 'LoRA-MoE').slice(1)).toEqual([
      '1.500',
      '0.0200',
      '0.200',
      '0.750',
      '70.0 %',
    ]);
    expect(cells(page.markdown, 'Routing', 'single LoRA')[3]).toBe('–');
    expect(cells(page.markdown, 'Routing', 'base')).toEqual([]);
  });

  test('has a plot of each measure', () => {
    expect([...page.plots.keys()]).toEqual(['bits.svg', 'textMargin.svg', 'letterMargin.svg']);
    for (const [name, svg] of page.plots) {
      expect(page.markdown).toContain(`](plots/${name})`);
      expect(svg).toMatch(/^<svg[\s\S]*<\/svg>\s*$/);
      expect(svg).toContain('lora − base');
      expect(svg).not.toContain('NaN');
    }
  });
});

describe('a page of what there is so far', () => {
  test.each([
    ['the base alone', [base], 0],
    ['one arm without the base', [lora[1]!], 0],
    ['one seed of an arm', [base, lora[0]!], 1],
    ['seeds that differ between arms', [base, ...lora.slice(1), loraMoe[0]!], 3],
  ])('renders: %s', async (_, results, differences) => {
    const { markdown, plots } = await render(results);
    const rows = markdown.split(/^## /m).find((text) => text.startsWith('Bits per character'))!;
    expect(rows.split('\n').filter((line) => line.includes(' − '))).toHaveLength(differences);
    expect(markdown + [...plots.values()].join('')).not.toMatch(/NaN|undefined|Infinity/);
  });

  test('compares the queue with the mixture by specialty once both are there', async () => {
    const queue = SEEDS.map((seed) => madeResult('sparsedoctor', seed, { bits: () => ofSeed(seed) - 0.01 }));
    const { markdown } = await render([base, ...loraMoe, ...queue]);
    expect(cells(markdown, 'By specialty', 'tcm').at(-1)).toMatch(/^-0\.0100 \(-0\.01\d\d to -0\.0\d{3}\)$/);
  });
});

async function run(...args: string[]): Promise<string> {
  const lines: string[] = [];
  const program = new Command().exitOverride().configureOutput({ writeErr: () => {} });
  registerAblationCommand(program, { environment: {}, print: (line) => lines.push(line) });
  await program.parseAsync(['ablation', ...args], { from: 'user' });
  return lines.join('\n');
}

describe('--render-only', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ablation-render-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  test('makes page and plots from the files alone, the same each time', async () => {
    const out = join(folder, 'results');
    await keepItems(out, items);
    for (const result of [base, ...lora]) await writeResult(out, result);
    const printed = await run('--render-only', '--out', out);
    const page = readFileSync(join(folder, 'results.md'), 'utf8');
    expect(printed).toBe(page);
    expect(cells(page, 'Bits per character', 'single LoRA − base')[1]).toBe('-0.0500');
    expect(page).toContain('](results/bits.svg)');
    const plot = readFileSync(join(out, 'bits.svg'), 'utf8');
    await run('--render-only', '--out', out);
    expect(readFileSync(join(folder, 'results.md'), 'utf8')).toBe(page);
    expect(readFileSync(join(out, 'bits.svg'), 'utf8')).toBe(plot);
  });

  test('refuses a folder without results; training, no data and unknown arms and seeds', async () => {
    await expect(run('--render-only', '--out', join(folder, 'none'))).rejects.toMatchObject({
      code: 'no_results',
    });
    await expect(run()).rejects.toMatchObject({ code: 'no_data' });
    for (const choice of [
      ['--arm', 'lorra'],
      ['--seed', '99'],
      ['--search-seed', '1'],
      ['--search-seed', '9.5'],
    ]) {
      await expect(run('--data', folder, ...choice)).rejects.toMatchObject({
        code: 'bad_choice',
        message: expect.stringContaining(choice[1]!),
      });
    }
  });
});
