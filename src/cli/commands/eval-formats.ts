/** `sparsedoctor eval formats`: what compact weights cost in quality. */
import { join, resolve } from 'node:path';
import { SingleBar, Presets } from 'cli-progress';
import type { Command } from 'commander';
import { createRandom } from '../../base/random.ts';
import { openCheckpoint } from '../../model/checkpoint.ts';
import { fingerprint } from '../../model/fingerprint.ts';
import { createWasmDevice } from '../../tensor/wasm/node.ts';
import { makeHeldOutDocuments } from '../../train/data/held-out.ts';
import { loadCorpus } from '../../train/data/load-corpus.ts';
import { writeWhole } from '../../train/write-whole.ts';
import type { CliContext } from '../context.ts';
import { directorySource } from '../directory-source.ts';
import { openTokenizer } from '../files.ts';
import { measureFormats } from '../formats-report.ts';
import { renderFormats } from '../formats-table.ts';
import { wholeNumber } from '../whole-number.ts';

interface FormatsOptions {
  readonly data: string;
  readonly base: string;
  readonly limit: number;
  readonly seed: number;
  readonly out: string;
  readonly threads: number;
}

/** As in training. */
const MAX_TOKENS = 512;

export function registerFormatsCommand(evaluate: Command, context: CliContext): void {
  evaluate
    .command('formats')
    .description('bits per character, divergence and logits of f16, q8 and q4 weights against f32')
    .requiredOption('--data <directory>', 'folder with sft/')
    .option('--base <directory>', 'the base model', 'weights/base')
    .option('--limit <n>', 'a sample of so many documents', wholeNumber(1, 1_000_000), 400)
    .option('--seed <n>', 'of the sample', wholeNumber(0, 0xffffffff), 1)
    .option('--out <folder>', 'where weight-formats.json and .md go', 'docs/results')
    .option('--threads <n>', 'compute threads', wholeNumber(1, 256), 2)
    .action((options: FormatsOptions) => evaluateFormats(context, options));
}

async function evaluateFormats(context: CliContext, options: FormatsOptions): Promise<void> {
  const { tokenizer, files } = await openTokenizer(options.base);
  const checkpoint = await openCheckpoint(directorySource(options.base));
  const corpus = await loadCorpus({
    dataDirectory: resolve(options.data),
    split: 'valid',
    parts: ['sft'],
    tokenizer,
    tokenizerFiles: files,
  });
  const all = makeHeldOutDocuments(corpus, tokenizer);
  const order = createRandom(options.seed).shuffle([...all.keys()]);
  const chosen = new Set(order.slice(0, options.limit));
  const device = await createWasmDevice({ threads: options.threads });
  const format = '{bar} {value}/{total} windows | {what} | {eta_formatted} left';
  const bar = new SingleBar({ format, noTTYOutput: true, notTTYSchedule: 30_000 }, Presets.rect);
  try {
    const report = await measureFormats({
      device,
      checkpoint,
      baseFingerprint: await fingerprint(checkpoint),
      documents: all.filter((_, index) => chosen.has(index)),
      maxTokens: Math.min(MAX_TOKENS, checkpoint.config.maxPositions),
      onPhase: (what, total) => (total > 0 ? bar.start(total, 0, { what }) : bar.stop()),
      onProgress: (done) => bar.update(done),
    });
    const markdown = renderFormats(report);
    await writeWhole(join(options.out, 'weight-formats.json'), `${JSON.stringify(report, null, 2)}\n`);
    await writeWhole(join(options.out, 'weight-formats.md'), markdown);
    context.print(markdown);
  } finally {
    await device.dispose();
  }
}
