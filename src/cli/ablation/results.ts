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
  /** The arm's whole run config; null for the base, which is not trained. */
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
        /** Null where there are not two experts, or no expert with two tokens. */
        silhouette: z.number().nullable(),
        withinVariance: z.number().nullable(),
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
  else if (itemsHash(read(itemsSchema, kept, path)) !== hash) {
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
  const result = armResultSchema.safeParse(parseJson(text));
  // What cannot be read is measured again.
  if (!result.success) return null;
  const { config, baseFingerprint, items } = result.data;
  const same =
    JSON.stringify(config) === JSON.stringify(wanted.config) &&
    baseFingerprint === wanted.baseFingerprint &&
    items === wanted.items;
  return same ? result.data : null;
}

/**
 * All that there is. Throws `CallerError`: `no_results`; `bad_result` for a file that cannot be read; `other_items` and
 * `other_base` where results cannot be compared.
 */
export async function readResults(folder: string): Promise<{ items: AblationItems; results: ArmResult[] }> {
  const path = join(folder, ITEMS);
  const text = await readIfThere(path);
  if (text === null) throw noResults(folder);
  const items = read(itemsSchema, text, path);
  const hash = itemsHash(items);
  const results: ArmResult[] = [];
  const names = await readdir(folder);
  for (const name of names.filter((file) => /\.seed-\d+\.json$/.test(file)).sort()) {
    const file = join(folder, name);
    const result = read(armResultSchema, await readFile(file, 'utf8'), file);
    if (result.items !== hash) refuse('other_items', file, 'was measured on other items');
    if (result.baseFingerprint !== (results[0] ?? result).baseFingerprint) {
      refuse('other_base', file, 'began with another base than the results before it');
    }
    results.push(result);
  }
  if (results.length === 0) throw noResults(folder);
  return { items, results };
}

function read<T>(schema: z.ZodType<T>, text: string, path: string): T {
  const result = schema.safeParse(parseJson(text));
  if (result.success) return result.data;
  const place = result.error.issues[0]?.path.join('.') ?? '';
  return refuse('bad_result', path, `is not what an ablation writes${place && ` (${place})`}`);
}

function refuse(code: string, path: string, problem: string): never {
  const message = `${path} ${problem}: remove it, and run the ablation again.`;
  throw new CallerError(code, message, { param: path });
}

function noResults(folder: string): CallerError {
  const message = `${folder} has no results: run the ablation first.`;
  return new CallerError('no_results', message, { param: folder });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return null;
    throw cause;
  }
}
