/** `sparsedoctor train …`: runs from their JSON, resumable at any moment, and the tokenizer. */
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { readTokenizerTexts } from '../../train/tokenizer/tokenizer-texts.ts';
import { trainTokenizer } from '../../train/tokenizer/train-tokenizer.ts';
import { writeWhole } from '../../train/write-whole.ts';
import { tell } from '../training-session.ts';
import { registerTrainBaseCommand } from './train-base.ts';
import { registerTrainRouterCommand } from './train-router.ts';
import { registerTrainTuneCommand } from './train-tune.ts';

export function registerTrainCommand(program: Command): void {
  const train = program.command('train').description('train a base, expert shards or the router');
  registerTrainBaseCommand(train);
  train
    .command('tokenizer')
    .description('make a byte-level BPE tokenizer of 8,192 entries from the training texts')
    .requiredOption('--data <directory>', 'folder with pretrain/, sft/ and mcq/')
    .option('--out <directory>', 'where tokenizer.json goes', 'weights/base')
    .option('--pretrain-share <share>', 'share of the texts beside all chats and questions', '0.5')
    .option('--seed <n>', 'which texts that is', '1')
    .action(makeTokenizer);
  registerTrainTuneCommand(train);
  registerTrainRouterCommand(train);
}

interface TokenizerOptions {
  readonly data: string;
  readonly out: string;
  readonly pretrainShare: string;
  readonly seed: string;
}

async function makeTokenizer(options: TokenizerOptions): Promise<void> {
  const texts = await readTokenizerTexts({
    dataDirectory: resolve(options.data),
    pretrainShare: Number(options.pretrainShare),
    seed: Number(options.seed),
  });
  const trained = trainTokenizer(texts);
  await mkdir(options.out, { recursive: true });
  await writeWhole(join(options.out, 'tokenizer.json'), trained.tokenizer);
  await writeWhole(join(options.out, 'tokenizer_config.json'), trained.config);
  tell(`wrote ${options.out}/tokenizer.json`);
}
