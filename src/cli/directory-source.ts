/** Model files in a directory, read by range: a checkpoint of many gigabytes never lies in memory whole. */
import { open, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { CallerError } from '../base/errors.ts';
import type { ByteSource, FileSource } from '../model/byte-source.ts';

export function directorySource(folder: string): FileSource {
  return {
    get: async (name) => {
      if (basename(name) !== name)
        throw new CallerError('invalid_file_name', `"${name}" is not a file name.`);
      return fileSource(join(folder, name));
    },
  };
}

/** Undefined where there is no such file. The file is opened for each read, so there is nothing to close. */
export async function fileSource(path: string): Promise<ByteSource | undefined> {
  const found = await stat(path).catch((error: unknown) => {
    if (isNotFound(error)) return undefined;
    throw error;
  });
  if (found === undefined) return undefined;
  if (!found.isFile()) throw new CallerError('not_a_file', `${path} is not a file.`);
  return { size: found.size, read: (offset, length) => readRange(path, offset, length) };
}

/** Node reads at most 2 GiB at once. */
const PIECE_BYTES = 1024 * 1024 * 1024;

async function readRange(path: string, offset: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  const handle = await open(path, 'r');
  try {
    for (let done = 0; done < length;) {
      const piece = Math.min(PIECE_BYTES, length - done);
      const { bytesRead } = await handle.read(bytes, done, piece, offset + done);
      if (bytesRead === 0) {
        throw new CallerError('file_truncated', `${path} ends early; copy it again.`, { param: path });
      }
      done += bytesRead;
    }
  } finally {
    await handle.close();
  }
  return bytes;
}

function isNotFound(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
}
