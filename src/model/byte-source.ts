/**
 * Where model files come from. The model reads bytes by range and never knows whether they lie in a directory, in memory
 * or behind HTTP, so it runs in a browser too, and a checkpoint of many gigabytes is read one tensor at a time.
 */
import { CallerError } from '../base/errors.ts';

export interface ByteSource {
  readonly size: number;
  /** Exactly `length` bytes; fails where the range is outside. */
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** A directory of files, flat. */
export interface FileSource {
  /** Undefined where there is no such file. */
  get(name: string): Promise<ByteSource | undefined>;
}

export function bytesSource(bytes: Uint8Array): ByteSource {
  return {
    size: bytes.length,
    read: async (offset, length) => {
      if (offset < 0 || offset + length > bytes.length) {
        throw new CallerError('file_truncated', `The file ends at byte ${bytes.length}; copy it again.`);
      }
      return bytes.subarray(offset, offset + length);
    },
  };
}

export function memoryFiles(files: Readonly<Record<string, Uint8Array | string>>): FileSource {
  const entries = new Map(Object.entries(files));
  return {
    get: async (name) => {
      const content = entries.get(name);
      if (content === undefined) return undefined;
      return bytesSource(typeof content === 'string' ? new TextEncoder().encode(content) : content);
    },
  };
}

/** Text of a small file; undefined where there is none. */
export async function readText(
  files: FileSource,
  name: string,
  maxBytes = 64 * 1024 * 1024,
): Promise<string | undefined> {
  const source = await files.get(name);
  if (source === undefined) return undefined;
  if (source.size > maxBytes) {
    throw new CallerError(
      'file_too_large',
      `${name} has ${source.size} bytes; at most ${maxBytes} are read.`,
      {
        param: name,
      },
    );
  }
  return new TextDecoder().decode(await source.read(0, source.size));
}
