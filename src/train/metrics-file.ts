/** A run's metrics as JSON lines: what a resumed run must know of the steps before, and no line of a step that was lost. */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { GUARD_WINDOW } from './loss-guard.ts';
import { writeWhole } from './write-whole.ts';

/** What the steps up to a resumed one have left in the metrics. */
export interface RunHistory {
  /** The last losses, nats, in order. */
  readonly losses: readonly number[];
  readonly validations: readonly { readonly step: number; readonly validation: number }[];
}

const lineSchema = z.looseObject({
  step: z.number(),
  loss: z.number().optional(),
  tokens: z.number().optional(),
  validation: z.number().nullish(),
});

/**
 * Removes the lines after `step` and those that a crash has torn, since a resumed run writes them again; tells what the
 * others say. No file is an empty one.
 */
export async function resumeMetrics(path: string, step: number): Promise<RunHistory> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
    throw error;
  });
  const losses: number[] = [];
  const validations: { step: number; validation: number }[] = [];
  const kept: string[] = [];
  for (const line of text.split('\n')) {
    const values = parseLine(line);
    if (!values || values.step > step) continue;
    kept.push(`${line}\n`);
    if (values.loss !== undefined && values.tokens !== 0) losses.push(values.loss);
    if (typeof values.validation === 'number') {
      validations.push({ step: values.step, validation: values.validation });
    }
  }
  const whole = kept.join('');
  if (whole !== text) await writeWhole(path, whole);
  return { losses: losses.slice(-GUARD_WINDOW), validations };
}

function parseLine(line: string): z.output<typeof lineSchema> | null {
  if (line === '') return null;
  try {
    return lineSchema.safeParse(JSON.parse(line)).data ?? null;
  } catch {
    return null;
  }
}
