/** What a run is made of, kept beside its state, so that a run that goes on with something else is told what differs. */
import { createHash } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { CallerError } from '../base/errors.ts';
import { writeWhole } from './write-whole.ts';

export interface RunIdentity {
  readonly config: unknown;
  /** Fingerprint of the base model. */
  readonly base: string;
  /** SHA-256 of the data that batches are made from. */
  readonly data: string;
  /** SHA-256 of shard files that take part unchanged, by specialty. */
  readonly frozen?: Readonly<Record<string, string>>;
}

const FILE = 'run.json';
const fileSchema = z.looseObject({ config: z.unknown(), base: z.string(), data: z.string() });

/** Names the run: its state carries this. */
export function runName(identity: RunIdentity): string {
  return createHash('sha256').update(JSON.stringify(identity)).digest('hex');
}

/**
 * Writes what the run of a folder is made of, or holds it against what the folder says. Throws `CallerError` with
 * `resume_data_changed`, `resume_base_changed` or `resume_config_changed`.
 */
export async function claimFolder(folder: string, identity: RunIdentity): Promise<void> {
  const path = join(folder, FILE);
  const before = await readIdentity(path);
  if (before) {
    const refuse = (code: string, what: string): never => {
      const message = `${folder} has a run ${what}: go on with what it was started with, or use another folder.`;
      throw new CallerError(code, message, { param: path });
    };
    if (before.data !== identity.data)
      refuse('resume_data_changed', 'of other data, the data has changed since');
    if (before.base !== identity.base) refuse('resume_base_changed', 'of another base model');
    if (JSON.stringify(before) !== JSON.stringify(identity))
      refuse('resume_config_changed', 'of another config');
    return;
  }
  await mkdir(folder, { recursive: true });
  await writeWhole(path, `${JSON.stringify(identity, null, 2)}\n`);
}

/** Null where there is none, or none that says anything. */
async function readIdentity(path: string): Promise<z.output<typeof fileSchema> | null> {
  const text = await readFile(path, 'utf8').catch(() => null);
  if (text === null) return null;
  try {
    return fileSchema.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}
