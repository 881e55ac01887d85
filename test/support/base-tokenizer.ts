/** The shipped tokenizer, read once for all tests of a file. */
import { readFileSync } from 'node:fs';
import { createTokenizer, type Tokenizer, type TokenizerFiles } from '../../src/model/tokenizer.ts';

const read = (name: string): string =>
  readFileSync(new URL(`../../weights/base/${name}`, import.meta.url), 'utf8');

export const baseTokenizerFiles: TokenizerFiles = {
  tokenizer: read('tokenizer.json'),
  tokenizerConfig: read('tokenizer_config.json'),
};

export const baseTokenizer: Tokenizer = createTokenizer(baseTokenizerFiles);
