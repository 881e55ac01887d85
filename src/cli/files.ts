/** Tokenizer files of a model directory. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CallerError } from '../base/errors.ts';
import { createTokenizer } from '../model/tokenizer.ts';
import type { Tokenizer, TokenizerFiles } from '../model/tokenizer.ts';

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

export async function openTokenizer(
  directory: string,
): Promise<{ tokenizer: Tokenizer; files: TokenizerFiles }> {
  const files = await readTokenizerFiles(directory);
  return { tokenizer: createTokenizer(files), files };
}
