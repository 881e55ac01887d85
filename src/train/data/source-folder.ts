/** The files of a source below the folder of all sources: `<owner>/<name>/…` or `<name>/…`, as a clone lies there. */
import { existsSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeText } from '../../base/decode-text.ts';
import { CallerError } from '../../base/errors.ts';
import type { Source, SourceFolder } from './sources/source.ts';

const MAX_FILES = 100_000;
const MAX_FILE_BYTES = 512 * 2 ** 20;
const MAX_DEPTH = 8;

/** Null when no file of the source is there. */
export async function openSourceFolder(
  sourcesFolder: string,
  source: Source,
  onProblem: (file: string, line: number | null, reason: string) => void,
): Promise<SourceFolder | null> {
  const name = source.repository.split('/').at(-1) ?? '';
  const root = [join(sourcesFolder, source.repository), join(sourcesFolder, name)].find((path) =>
    existsSync(path),
  );
  if (root === undefined) return null;
  const paths = (await listFiles(root)).filter((path) => source.files.test(path));
  if (paths.length === 0) return null;
  const bytes = async (path: string): Promise<Uint8Array> => {
    const full = join(root, path);
    if ((await stat(full)).size > MAX_FILE_BYTES) {
      throw new CallerError('file_too_large', `${full} is larger than ${MAX_FILE_BYTES} bytes.`, {
        param: full,
      });
    }
    return readFile(full);
  };
  return {
    paths: paths.sort(),
    bytes,
    async text(path) {
      const decoded = decodeText(await bytes(path));
      if (decoded.damaged) onProblem(join(root, path), null, `has bytes that are not ${decoded.encoding}`);
      return decoded;
    },
    reject: (path, line, reason) => onProblem(join(root, path), line, reason),
  };
}

async function listFiles(root: string): Promise<string[]> {
  const found: string[] = [];
  const visit = async (inner: string, depth: number): Promise<void> => {
    for (const entry of await readdir(join(root, inner), { withFileTypes: true })) {
      const path = inner === '' ? entry.name : `${inner}/${entry.name}`;
      if (entry.isFile()) found.push(path);
      else if (entry.isDirectory() && entry.name !== '.git' && depth < MAX_DEPTH)
        await visit(path, depth + 1);
    }
    if (found.length > MAX_FILES) {
      throw new CallerError('too_many_files', `${root} holds more than ${MAX_FILES} files.`, { param: root });
    }
  };
  await visit('', 0);
  return found;
}
