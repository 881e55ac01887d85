/** Rows of the router's training text, and the general prompts that belong to no specialty. */

import { readFile } from 'node:fs/promises';
import { gunzipSync } from 'node:zlib';
import { z } from 'zod';
import { CallerError } from '../../base/errors.ts';
import { sha256Hex } from '../../base/sha256.ts';

const rowSchema = z.looseObject({
  id: z.string(),
  source: z.string(),
  text: z.string(),
  specialty: z.string(),
  specialty_src: z.enum(['gold', 'weak']),
});

export interface RouterRow {
  readonly id: string;
  readonly source: string;
  readonly text: string;
  readonly specialty: string;
  /** The source itself names the department; otherwise a lexicon guessed it. */
  readonly gold: boolean;
}

export interface DataFile<T> {
  readonly rows: T[];
  readonly sha256: string;
}

export async function readRouterRows(path: string): Promise<DataFile<RouterRow>> {
  return readJsonLines(path, (value) => {
    const row = rowSchema.parse(value);
    const { id, source, text, specialty } = row;
    return { id, source, text, specialty, gold: row.specialty_src === 'gold' };
  });
}

const chatRowSchema = z.looseObject({
  specialty: z.string().nullable(),
  messages: z.array(z.looseObject({ role: z.string(), content: z.string() })).min(1),
});

/** First user turns of the rows without a specialty, cut to the length of router rows. */
export async function readUnlabelledPrompts(path: string): Promise<DataFile<string>> {
  const file = await readJsonLines(path, (value) => chatRowSchema.parse(value));
  const texts = file.rows.flatMap((row) => {
    const first = row.messages[0];
    return row.specialty === null && first?.role === 'user' ? [first.content.slice(0, 300)] : [];
  });
  return { rows: texts, sha256: file.sha256 };
}

const generalPromptsSchema = z.strictObject({ train: z.array(z.string()), heldOut: z.array(z.string()) });
export type GeneralPrompts = z.infer<typeof generalPromptsSchema>;

/** Greetings, small talk and tasks that are not medicine; the held-out ones are only measured. */
export async function readGeneralPrompts(path: string): Promise<GeneralPrompts & { sha256: string }> {
  const bytes = await readFile(path);
  const prompts = generalPromptsSchema.parse(JSON.parse(bytes.toString('utf8')));
  return { ...prompts, sha256: await sha256Hex(bytes) };
}

async function readJsonLines<T>(path: string, parse: (value: unknown) => T): Promise<DataFile<T>> {
  const bytes = await readFile(path);
  const text = (path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8');
  const rows = text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line, index) => {
      try {
        return parse(JSON.parse(line));
      } catch (error) {
        const message = `Line ${index + 1} of ${path} is not a row of the expected form.`;
        throw new CallerError('bad_training_data', message, { param: path, cause: error });
      }
    });
  return { rows, sha256: await sha256Hex(bytes) };
}
