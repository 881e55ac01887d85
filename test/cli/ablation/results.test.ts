/** Results on disk: what counts as measured already, and what is refused. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import {
  findResult,
  itemsHash,
  keepItems,
  readResults,
  resultPath,
  writeResult,
} from '../../../src/cli/ablation/results.ts';
import type { AblationItems } from '../../../src/cli/ablation/results.ts';
import { items, madeResult } from './made-results.ts';

let folder: string;
const folders: string[] = [];
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ablation-results-'));
  folders.push(folder);
  expect(await keepItems(folder, items)).toBe(itemsHash(items));
});
afterAll(() => {
  for (const each of folders) rmSync(each, { recursive: true });
});

const routing = [
  { layer: 0, entropy: 0.5, mutualInformation: 0.1, silhouette: null, withinVariance: 0.9, load: [0.5, 0.5] },
];
const lora = madeResult('lora', 2, { changes: { routing } });
const otherItems: AblationItems = { ...items, answers: items.answers.slice(1) };

describe('a result', () => {
  test('is found again as it was written, to seven digits', async () => {
    await writeResult(folder, lora);
    const found = await findResult(folder, lora);
    expect(found).toMatchObject({
      arm: 'lora',
      seed: 2,
      config: lora.config,
      routing,
      letterRight: lora.letterRight,
    });
    for (const [at, nats] of found!.nats.entries())
      expect(Math.abs(nats / lora.nats[at]! - 1)).toBeLessThan(1e-6);
    expect(await readResults(folder)).toEqual({ items, results: [found] });
  });

  test.each([
    ['seed', { seed: 1 }],
    ['arm', { arm: 'full' }],
    ['config', { config: madeResult('lora', 3).config }],
    ['base', { baseFingerprint: 'd'.repeat(64) }],
    ['items', { items: itemsHash(otherItems) }],
  ])('of another %s is not taken as done', async (_, wanted) => {
    await writeResult(folder, lora);
    expect(await findResult(folder, { ...lora, ...wanted })).toBeNull();
  });

  test.each(['', '{"arm": "lora"', '{"arm": "lora"}'])(
    'that cannot be read is measured again: %s',
    async (text) => {
      writeFileSync(resultPath(folder, 'lora', 2), text);
      expect(await findResult(folder, lora)).toBeNull();
    },
  );

  test('with a value that is no number is not written', async () => {
    await expect(writeResult(folder, { ...lora, nats: [NaN] })).rejects.toThrow(/nats/);
    expect(await findResult(folder, lora)).toBeNull();
  });
});

describe('a folder', () => {
  test('keeps the items that it has, and refuses others', async () => {
    const before = readFileSync(join(folder, 'items.json'), 'utf8');
    expect(await keepItems(folder, items)).toBe(itemsHash(items));
    await expect(keepItems(folder, otherItems)).rejects.toMatchObject({ code: 'other_items' });
    expect(readFileSync(join(folder, 'items.json'), 'utf8')).toBe(before);
  });

  test.each([
    ['other items', 'other_items', { ...lora, items: itemsHash(otherItems) }],
    ['another base', 'other_base', { ...lora, baseFingerprint: 'd'.repeat(64) }],
  ])('with a result of %s is refused', async (_, code, other) => {
    await writeResult(folder, madeResult('base', 1));
    await writeResult(folder, other);
    await expect(readResults(folder)).rejects.toMatchObject({
      code,
      message: expect.stringContaining('lora.seed-2.json'),
    });
  });

  test.each(['items.json', 'lora.seed-2.json'])(
    'with a broken %s is refused, and says which file',
    async (name) => {
      await writeResult(folder, lora);
      for (const text of ['{', '{}']) {
        writeFileSync(join(folder, name), text);
        await expect(readResults(folder)).rejects.toMatchObject({
          code: 'bad_result',
          message: expect.stringContaining(name),
        });
      }
    },
  );

  test('without results says so', async () => {
    await expect(readResults(folder)).rejects.toMatchObject({ code: 'no_results' });
    await expect(readResults(join(folder, 'none'))).rejects.toMatchObject({ code: 'no_results' });
  });
});
