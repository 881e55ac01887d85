/** The file system as the model reads it. */
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CallerError } from '../base/errors.ts';
import type { ByteSource, FileSource } from '../model/byte-source.ts';
import { createTokenizer } from '../model/tokenizer.ts';
import type { Tokenizer, TokenizerFiles } from '../model/tokenizer.ts';

/** A directory of files that are read piece by piece. */
export function directoryFiles(directory: string): FileSource {
  return {
    async get(name: string): Promise<ByteSource | undefined> {
      const handle = await open(join(directory, name)).catch(() => undefined);
      if (handle === undefined) return undefined;
      const { size } = await handle.stat();
      return {
        size,
        async read(offset, length) {
          const bytes = new Uint8Array(length);
          let done = 0;
          while (done < length) {
            const { bytesRead } = await handle.read(bytes, done, length - done, offset + done);
            if (bytesRead === 0) throw new CallerError('file_truncated', `${name} ends early; copy it again.`);
            done += bytesRead;
          }
          return bytes;
        },
      };
    },
  };
}

export async function readTokenizerFiles(directory: string): Promise<TokenizerFiles> {
  const read = async (name: string): Promise<string> => {
    try {
      return await readFile(join(directory, name), 'utf8');
    } catch (cause) {
      throw new CallerError(
        'missing_file',
        `${directory} has no ${name}: give the folder of a Hugging Face checkpoint.`,
        { param: name, cause },
      );
    }
  };
  return { tokenizer: await read('tokenizer.json'), tokenizerConfig: await read('tokenizer_config.json') };
}

export async function openTokenizer(directory: string): Promise<{ tokenizer: Tokenizer; files: TokenizerFiles }> {
  const files = await readTokenizerFiles(directory);
  return { tokenizer: createTokenizer(files), files };
}
