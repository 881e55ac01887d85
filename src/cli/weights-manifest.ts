/** `weights/manifest.json`: every shipped weight file with its hash, shapes, origin and licence, so that it can be checked. */
import { createHash } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { z } from 'zod';
import { CallerError } from '../base/errors.ts';
import { headerOfBytes } from '../base/safetensors-header.ts';
import type { SafetensorsHeader } from '../base/safetensors-header.ts';

const entrySchema = z.strictObject({
  path: z.string().min(1),
  bytes: z.int().min(0),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  /** dtype and shape by tensor name, for safetensors files. */
  tensors: z.record(z.string(), z.tuple([z.string()], z.int())).optional(),
  source: z.string().min(1),
  licence: z.string().min(1),
  trainingRun: z.string().min(1),
});
export const weightsManifestSchema = z.strictObject({ files: z.array(entrySchema) });
export type WeightsManifest = z.output<typeof weightsManifestSchema>;
type Entry = z.output<typeof entrySchema>;

const WEIGHT_FILE = /\.(safetensors|onnx)$|tokenizer\.json$/;
const SOURCE =
  'open parts of a Chinese medical corpus: papers, classical works, consultations, exam questions (MODEL_CARD.md)';

/** Describes every weight file below a folder. */
export async function describeWeights(folder: string, licence: string): Promise<WeightsManifest> {
  const files: Entry[] = [];
  for (const path of await weightFiles(folder)) {
    const bytes = new Uint8Array(await readFile(join(folder, path)));
    const header = path.endsWith('.safetensors') ? headerOfBytes(bytes) : null;
    const trainingRun = header?.metadata['training_run'] ?? header?.metadata['run'] ?? describedIn(path);
    files.push({
      path,
      bytes: bytes.length,
      sha256: hashOf(bytes),
      ...(header ? { tensors: shapesOf(header) } : {}),
      source: SOURCE,
      licence: header?.metadata['licence'] ?? licence,
      trainingRun,
    });
  }
  return { files };
}

/** The file beside it that says how a weight file was made, where it does not say so itself. */
function describedIn(path: string): string {
  if (path.endsWith('tokenizer.json')) return 'sparsedoctor train tokenizer, as it is by default';
  const [folder] = path.split('/');
  return folder === 'router' ? 'router/manifest.json' : `${folder}/run.json`;
}

/** Throws naming every file that is missing, changed or not listed. */
export async function verifyWeights(folder: string, manifest: WeightsManifest): Promise<void> {
  const problems: string[] = [];
  const found = new Set(await weightFiles(folder));
  for (const entry of manifest.files) {
    if (!found.delete(entry.path)) problems.push(`${entry.path} is missing`);
    else if (hashOf(await readFile(join(folder, entry.path))) !== entry.sha256) {
      problems.push(`${entry.path} is not the file of the manifest`);
    }
  }
  for (const path of found) problems.push(`${path} is not in the manifest`);
  if (problems.length > 0) {
    const next = 'Restore the files, or describe your own with `sparsedoctor weights describe`.';
    throw new CallerError('weights_changed', `${folder}: ${problems.join('; ')}. ${next}`);
  }
}

async function weightFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && WEIGHT_FILE.test(entry.name))
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
    .sort();
}

function shapesOf({ tensors }: SafetensorsHeader): Record<string, [string, ...number[]]> {
  return Object.fromEntries([...tensors.values()].map(({ name, type, shape }) => [name, [type, ...shape]]));
}

function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
