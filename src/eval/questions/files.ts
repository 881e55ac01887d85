/** Finding and reading the files of an evaluation set: which there are below a path, their bytes as text, their hash. */
import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { decodeText, type DecodedText } from '../../base/decode-text.ts';
import { CallerError } from '../../base/errors.ts';
import { parseSpecialties } from '../../base/specialty-list.ts';

const MAX_FILE_BYTES = 256 * 2 ** 20;
const MAX_FILES = 5000;
const MAX_DEPTH = 5;

export interface ExamFile extends DecodedText {
  readonly path: string;
  readonly sha256: string;
}

/** All files at or below `path`, sorted. */
export async function listFiles(path: string): Promise<string[]> {
  const found: string[] = [];
  const visit = async (folder: string, depth: number): Promise<void> => {
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      const inner = join(folder, entry.name);
      if (entry.isFile()) found.push(inner);
      else if (entry.isDirectory() && depth < MAX_DEPTH) await visit(inner, depth + 1);
      if (found.length > MAX_FILES) {
        throw new CallerError(
          'too_many_files',
          `${path} holds more than ${MAX_FILES} files: name the set's own folder.`,
        );
      }
    }
  };
  try {
    if ((await stat(path)).isFile()) return [path];
    await visit(path, 0);
  } catch (cause) {
    if (cause instanceof CallerError) throw cause;
    throw new CallerError('unreadable_data', `${path} cannot be read: give the file or folder of the set.`, {
      param: path,
      cause,
    });
  }
  return found.sort();
}

export async function readExamFile(path: string): Promise<ExamFile> {
  if ((await stat(path)).size > MAX_FILE_BYTES) {
    throw new CallerError('file_too_large', `${path} is larger than ${MAX_FILE_BYTES} bytes.`, {
      param: path,
    });
  }
  const stored = await readFile(path);
  const bytes = /\.gz$/iu.test(path) ? unzip(stored, path) : stored;
  return { path, sha256: createHash('sha256').update(bytes).digest('hex'), ...decodeText(bytes) };
}

function unzip(bytes: Uint8Array, path: string): Uint8Array {
  try {
    return gunzipSync(bytes, { maxOutputLength: MAX_FILE_BYTES });
  } catch (cause) {
    throw new CallerError('unreadable_data', `${path} cannot be unpacked: it is damaged or too large.`, {
      param: path,
      cause,
    });
  }
}

/** The labels in use, of the `specialties.json` beside the set or one folder above; null where there is none. */
export async function findSpecialties(path: string): Promise<ReadonlySet<string> | null> {
  for (const folder of [path, dirname(path), dirname(dirname(path))]) {
    const text = await readFile(join(folder, 'specialties.json'), 'utf8').catch(() => null);
    if (text !== null) return parseSpecialties(text, join(folder, 'specialties.json'));
  }
  return null;
}

/** The name without folder and ending, lower case. */
export function stemOf(path: string): string {
  return basename(path)
    .replace(/\.[a-z]+$/iu, '')
    .toLowerCase();
}
