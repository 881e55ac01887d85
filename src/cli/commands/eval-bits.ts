/** `sparsedoctor eval bits`: bits per character of held-out text. */
import { readdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { SingleBar, Presets } from 'cli-progress';
import type { Command } from 'commander';
import { CallerError } from '../../base/errors.ts';
import { openCheckpoint } from '../../model/checkpoint.ts';
import { fingerprint } from '../../model/fingerprint.ts';
import { readShardFile } from '../../model/shard-file.ts';
import type { ShardFile } from '../../model/shard-file.ts';
import { createWasmDevice } from '../../tensor/wasm/node.ts';
import { writeWhole } from '../../train/write-whole.ts';
import { Scorer } from '../../train/scorer.ts';
import { measureBits } from '../bits-report.ts';
import { renderBits } from '../bits-table.ts';
import type { CliContext } from '../context.ts';
import { directorySource } from '../directory-source.ts';
import { openTokenizer } from '../files.ts';

interface BitsOptions {
  readonly data: string;
  readonly base: string;
  readonly shards: string;
  readonly shardVersion: string;
  readonly out: string;
  readonly threads: string;
}

/** As in training. */
const ROW_LENGTH = 512;
const ROWS = 4;

export function registerBitsCommand(evaluate: Command, context: CliContext): void {
  evaluate
    .command('bits')
    .description('bits per character: base, right shards, wrong shards, and a character 5-gram model')
    .requiredOption('--data <directory>', 'folder with pretrain/ and sft/')
    .option('--base <directory>', 'the base model', 'weights/base')
    .option('--shards <directory>', 'folder of shard files by specialty', 'weights/shards')
    .option('--shard-version <version>', 'version of the shards', 'v1')
    .option('--out <folder>', 'where bits-per-character.json and .md go', 'docs/results')
    .option('--threads <n>', 'compute threads', '2')
    .action((options: BitsOptions) => evaluateBits(context, options));
}

async function evaluateBits(context: CliContext, options: BitsOptions): Promise<void> {
  const { tokenizer, files } = await openTokenizer(options.base);
  const checkpoint = await openCheckpoint(directorySource(options.base));
  const baseFingerprint = await fingerprint(checkpoint);
  const shards = await readShards(options, baseFingerprint);
  const device = await createWasmDevice({ threads: Number(options.threads) });
  const scorer = await Scorer.create(device, checkpoint, [...shards.values()], {
    rows: ROWS,
    rowLength: ROW_LENGTH,
  });
  const format = '{bar} {value}/{total} windows | {what} | {eta_formatted} left';
  const bar = new SingleBar({ format, noTTYOutput: true, notTTYSchedule: 30_000 }, Presets.rect);
  const report = await measureBits({
    dataDirectory: resolve(options.data),
    tokenizer,
    tokenizerFiles: files,
    baseFingerprint,
    shardVersion: options.shardVersion,
    specialties: [...shards.keys()],
    scorer,
    maxTokens: ROW_LENGTH,
    onPhase: (what, total) => (total > 0 ? bar.start(total, 0, { what }) : bar.stop()),
    onProgress: (done) => bar.update(done),
  });
  await device.dispose();
  const markdown = renderBits(report);
  await writeWhole(join(options.out, 'bits-per-character.json'), `${JSON.stringify(report, null, 2)}\n`);
  await writeWhole(join(options.out, 'bits-per-character.md'), markdown);
  context.print(markdown);
}

async function readShards(options: BitsOptions, baseFingerprint: string): Promise<Map<string, ShardFile>> {
  const folders = await readdir(options.shards, { withFileTypes: true });
  const shards = new Map<string, ShardFile>();
  for (const { name } of folders.filter((entry) => entry.isDirectory())) {
    const path = join(options.shards, name, `${options.shardVersion}.safetensors`);
    const bytes = await readFile(path).catch(() => null);
    const expected = { baseFingerprint, use: 'training' } as const;
    if (bytes) shards.set(name, await readShardFile(new Uint8Array(bytes), expected));
  }
  if (shards.size < 2) {
    throw new CallerError(
      'no_shards',
      `${options.shards} has ${shards.size} shards of version ${options.shardVersion}; two are needed to compare right with wrong.`,
    );
  }
  return shards;
}
