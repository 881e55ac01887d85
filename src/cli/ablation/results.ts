/**
 * What an ablation leaves behind: one JSON file for each arm and seed, with a value for every held-out answer and exam
 * question, so that arms can be compared in pairs later, and one file that says which items those are.
 */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { CallerError } from '../../base/errors.ts';
import { writeWhole } from '../../train/write-whole.ts';

const answerItemSchema = z.strictObject({
  id: z.string(),
  specialty: z.string().nullable(),
  characters: z.int().positive(),
});

const questionItemSchema = z.strictObject({
  id: z.string(),
  exam: z.string(),
  specialty: z.string().nullable(),
});

const itemsSchema = z.strictObject({
  answers: z.array(answerItemSchema),
  questions: z.array(questionItemSchema),
});
export type AblationItems = z.output<typeof itemsSchema>;

const armResultSchema = z.strictObject({
  arm: z.string(),
  seed: z.int(),
  /** SHA-256 of the arm's whole run config; null for the base, which is not trained. */
  config: z.unknown(),
  baseFingerprint: z.string(),
  /** SHA-256 of items.json: values are in its order. */
  items: z.string(),
  commit: z.string().nullable(),
  device: z.string(),
  trainedParameters: z.int().min(0),
  steps: z.int().min(0),
  trainTokens: z.int().min(0),
  tokensPerSecond: z.number().nullable(),
  peakBytes: z.int().min(0),
  validation: z.number().nullable(),
  /** Nats of each held-out answer. */
  nats: z.array(z.number()),
  /** Of each question: log-probability margin of the right option's text, nats per character; and of its letter, nats. */
  textMargins: z.array(z.number()),
  letterMargins: z.array(z.number()),
  /** 1 where the option with the greatest likelihood is the right one, by letter. */
  letterRight: z.array(z.int().min(0).max(1)),
  routing: z
    .array(
      z.looseObject({
        layer: z.int(),
        entropy: z.number(),
        mutualInformation: z.number(),
        silhouette: z.number(),
        withinVariance: z.number(),
        load: z.array(z.number()),
      }),
    )
    .nullable(),
});
export type ArmResult = z.output<typeof armResultSchema>;

const ITEMS = 'items.json';

export function itemsHash(items: AblationItems): string {
  return createHash('sha256').update(JSON.stringify(items)).digest('hex');
}

export function resultPath(folder: string, arm: string, seed: number): string {
  return join(folder, `${arm}.seed-${seed}.json`);
}

/** Writes the items, or checks that they are those that are there: values of other items cannot be compared. */
export async function keepItems(folder: string, items: AblationItems): Promise<string> {
  await mkdir(folder, { recursive: true });
  const path = join(folder, ITEMS);
  const kept = await readIfThere(path);
  const hash = itemsHash(items);
  if (kept === null) await writeWhole(path, `${JSON.stringify(items)}\n`);
  else if (itemsHash(itemsSchema.parse(JSON.parse(kept))) !== hash) {
    throw new CallerError(
      'other_items',
      `${path} lists other held-out items than this data and profile: write to an empty folder with --out.`,
      { param: path },
    );
  }
  return hash;
}

export async function writeResult(folder: string, result: ArmResult): Promise<void> {
  const text = JSON.stringify(armResultSchema.parse(result), (_, value: unknown) =>
    typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(7)) : value,
  );
  await writeWhole(resultPath(folder, result.arm, result.seed), `${text}\n`);
}

/** The result of an arm and seed, when it is there and came of this config, base and items. */
export async function findResult(
  folder: string,
  wanted: Pick<ArmResult, 'arm' | 'seed' | 'config' | 'baseFingerprint' | 'items'>,
): Promise<ArmResult | null> {
  const text = await readIfThere(resultPath(folder, wanted.arm, wanted.seed));
  if (text === null) return null;
  const result = armResultSchema.safeParse(JSON.parse(text));
  if (!result.success) return null;
  const { config, baseFingerprint, items } = result.data;
  const same =
    JSON.stringify(config) === JSON.stringify(wanted.config) &&
    baseFingerprint === wanted.baseFingerprint &&
    items === wanted.items;
  return same ? result.data : null;
}

export async function readResults(folder: string): Promise<{ items: AblationItems; results: ArmResult[] }> {
  const text = await readIfThere(join(folder, ITEMS));
  if (text === null) {
    throw new CallerError('no_results', `${folder} has no results: run the ablation first.`, {
      param: folder,
    });
  }
  const items = itemsSchema.parse(JSON.parse(text));
  const hash = itemsHash(items);
  const results: ArmResult[] = [];
  const names = await readdir(folder);
  for (const name of names.filter((file) => /\.seed-\d+\.json$/.test(file)).sort()) {
    const result = armResultSchema.parse(JSON.parse(await readFile(join(folder, name), 'utf8')));
    if (result.items !== hash) {
      throw new CallerError('other_items', `${join(folder, name)} was measured on other items.`, {
        param: name,
      });
    }
    results.push(result);
  }
  return { items, results };
}

async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return null;
    throw cause;
  }
}
