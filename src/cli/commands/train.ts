/** `sparsedoctor train …`: a run from its JSON, with a progress bar, resumable at any moment. */
import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { SingleBar, Presets } from 'cli-progress';
import type { Command } from 'commander';
import { CallerError } from '../../base/errors.ts';
import { openCheckpoint } from '../../model/checkpoint.ts';
import { fingerprint } from '../../model/fingerprint.ts';
import { readShardFile } from '../../model/shard-file.ts';
import type { ShardFile } from '../../model/shard-file.ts';
import { exportBase, runBase } from '../../train/base-run.ts';
import { baseRunSchema, parseRunConfig } from '../../train/config.ts';
import { encodeTrainer, writeWhole } from '../../train/run-files.ts';
import { readTokenizerTexts } from '../../train/tokenizer/tokenizer-texts.ts';
import { trainTokenizer } from '../../train/tokenizer/train-tokenizer.ts';
import type { StepResult } from '../../train/trainer.ts';
import { tuneRunSchema } from '../../train/tune-config.ts';
import { exportTuned } from '../../train/tune-export.ts';
import { runTune } from '../../train/tune-run.ts';
import type { Device } from '../../tensor/device.ts';
import { createWasmDevice } from '../../tensor/wasm/node.ts';
import { directorySource } from '../directory-source.ts';
import { openTokenizer } from '../files.ts';
import { registerTrainRouterCommand } from './train-router.ts';

interface TrainOptions {
  readonly data: string;
  readonly folder: string;
  readonly threads: string;
  readonly out: string;
}

export function registerTrainCommand(program: Command): void {
  const train = program.command('train').description('train a base, expert shards or the router');
  train
    .command('base')
    .description('train a base model; goes on where the folder left off')
    .argument('<run>', 'JSON file of the run')
    .requiredOption('--data <directory>', 'folder with pretrain/, sft/ and mcq/')
    .option('--folder <directory>', 'where state and metrics are kept', 'runs/base')
    .option('--out <directory>', 'where the tokenizer is, and the trained checkpoint goes', 'weights/base')
    .option('--resume <file>', 'resume file to go on from when the folder has no state')
    .option('--threads <n>', 'compute threads', '2')
    .action(trainBase);
  train
    .command('tokenizer')
    .description('make a byte-level BPE tokenizer of 8,192 entries from the training texts')
    .requiredOption('--data <directory>', 'folder with pretrain/, sft/ and mcq/')
    .option('--out <directory>', 'where tokenizer.json goes', 'weights/base')
    .option('--pretrain-share <share>', 'share of the texts beside all chats and questions', '0.5')
    .option('--seed <n>', 'which texts that is', '1')
    .action(makeTokenizer);
  train
    .command('tune')
    .description('fine-tune for specialties: the base, LoRA or LoRA-MoE; goes on where the folder left off')
    .argument('<run>', 'JSON file of the run')
    .requiredOption('--data <directory>', 'folder with sft/ and mcq/')
    .option('--folder <directory>', 'where state and metrics are kept', 'runs/tune')
    .option('--base <directory>', 'the base to start from', 'weights/base')
    .option('--shards <directory>', 'folder of the shards that the run leaves as they are', 'weights/shards')
    .option('--shards-version <version>', 'their version', 'v1')
    .option('--out <directory>', 'where the shard files or the checkpoint go', 'weights/shards')
    .option('--licence <text>', 'licence of the shards', 'Apache-2.0')
    .option('--threads <n>', 'compute threads', '2')
    .action(trainTune);
  registerTrainRouterCommand(train);
}

async function makeTokenizer(options: TokenizerCommandOptions): Promise<void> {
  const texts = await readTokenizerTexts({
    dataDirectory: resolve(options.data),
    pretrainShare: Number(options.pretrainShare),
    seed: Number(options.seed),
  });
  const trained = trainTokenizer(texts);
  await mkdir(options.out, { recursive: true });
  await writeWhole(join(options.out, 'tokenizer.json'), trained.tokenizer);
  await writeWhole(join(options.out, 'tokenizer_config.json'), trained.config);
  process.stderr.write(`wrote ${options.out}/tokenizer.json\n`);
}

interface TokenizerCommandOptions {
  readonly data: string;
  readonly out: string;
  readonly pretrainShare: string;
  readonly seed: string;
}

interface TuneOptions extends TrainOptions {
  readonly base: string;
  readonly shards: string;
  readonly shardsVersion: string;
  readonly licence: string;
}

async function trainTune(runFile: string, options: TuneOptions): Promise<void> {
  const config = parseRunConfig(await readFile(runFile, 'utf8'), tuneRunSchema, runFile);
  const { tokenizer, files } = await openTokenizer(options.base);
  const checkpoint = await openCheckpoint(directorySource(options.base));
  const baseFingerprint = await fingerprint(checkpoint);
  const frozenShards = await readFrozen(config.frozen ?? [], options, baseFingerprint);
  const device = await createWasmDevice({ threads: Number(options.threads) });
  const progress = createProgress(config.rows * config.rowLength);
  const run = await runTune({
    config,
    device,
    checkpoint,
    baseFingerprint,
    frozenShards,
    tokenizer,
    tokenizerFiles: files,
    dataDirectory: resolve(options.data),
    folder: resolve(options.folder),
    onStart: ({ rows, step, totalSteps }) => {
      for (const [name, count] of Object.entries(rows)) process.stderr.write(`${name}: ${count} rows\n`);
      progress.start(step, totalSteps);
    },
    onStep: (step, result, validation) => progress.step(step, result, validation),
    signal: interruptSignal(),
  });
  progress.stop();
  if (run.end === 'interrupted') return stopEarly(device, run.trainer.step);
  const origin = { baseFingerprint, created: new Date(), run: run.run, licence: options.licence };
  const written = await exportTuned(device, run, origin);
  for (const [name, bytes] of written) {
    await mkdir(dirname(join(options.out, name)), { recursive: true });
    await writeWhole(join(options.out, name), bytes);
  }
  await device.dispose();
  process.stderr.write(`wrote ${[...written.keys()].join(', ')} to ${options.out}\n`);
}

/** Shards that take part in a run and stay as they are. */
async function readFrozen(
  names: readonly string[],
  { shards, shardsVersion }: TuneOptions,
  baseFingerprint: string,
): Promise<Map<string, ShardFile>> {
  const files = new Map<string, ShardFile>();
  for (const name of names) {
    const path = join(shards, name, `${shardsVersion}.safetensors`);
    const bytes = await readFile(path).catch((cause: unknown) => {
      const message = `${path} cannot be read: the run leaves this shard as it is, so it has to be there.`;
      throw new CallerError('frozen_shard_missing', message, { param: path, cause });
    });
    files.set(name, await readShardFile(new Uint8Array(bytes), { baseFingerprint }));
  }
  return files;
}

async function trainBase(runFile: string, options: TrainOptions & { resume?: string }): Promise<void> {
  const config = parseRunConfig(await readFile(runFile, 'utf8'), baseRunSchema, runFile);
  const { tokenizer, files } = await openTokenizer(options.out);
  const device = await createWasmDevice({ threads: Number(options.threads) });
  const progress = createProgress(config.rows * config.rowLength);
  const run = await runBase({
    config,
    device,
    tokenizer,
    tokenizerFiles: files,
    dataDirectory: resolve(options.data),
    folder: resolve(options.folder),
    ...(options.resume === undefined ? {} : { resumeFrom: new Uint8Array(await readFile(options.resume)) }),
    onStart: ({ parts, rows, step, totalSteps }) => {
      for (const part of parts) {
        process.stderr.write(`${part.part}: ${part.documents} documents, ${part.tokens} tokens\n`);
      }
      process.stderr.write(`${rows} rows of ${config.rowLength} tokens; ${device.description}\n`);
      progress.start(step, totalSteps);
    },
    onStep: (step, result, validation) => progress.step(step, result, validation),
    signal: interruptSignal(),
  });
  progress.stop();
  if (run.trainer.step < config.optimiser.steps) return stopEarly(device, run.trainer.step);
  for (const [name, bytes] of Object.entries(await exportBase(device, run.trainer, run.model))) {
    await writeWhole(join(options.out, name), bytes);
  }
  const resume = await encodeTrainer(device, run.trainer, run.run, 'compact');
  await writeWhole(join(options.out, 'resume.safetensors'), resume);
  await device.dispose();
  process.stderr.write(`${run.tokens} tokens seen; wrote ${options.out}/model.safetensors\n`);
}

/** What is half trained stays in the run's folder. */
async function stopEarly(device: Device, step: number): Promise<void> {
  await device.dispose();
  process.stderr.write(`stopped at step ${step}; the same command goes on from there\n`);
}

/** First Ctrl-C ends after this step and saves; a second one ends at once. */
function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  process.once('SIGINT', () => controller.abort());
  process.once('SIGTERM', () => controller.abort());
  return controller.signal;
}

function createProgress(tokensPerStep: number) {
  const format =
    '{bar} {value}/{total} steps | loss {loss} | valid {validation} | {speed} tokens/s | {eta_formatted} left';
  const bar = new SingleBar(
    { format, etaBuffer: 50, noTTYOutput: true, notTTYSchedule: 30_000 },
    Presets.rect,
  );
  let smooth = 0;
  let last = performance.now();
  let speed = 0;
  return {
    start(step: number, total: number): void {
      bar.start(total, step, { loss: '–', validation: '–', speed: '–' });
      last = performance.now();
    },
    step(step: number, result: StepResult, validation: number | null): void {
      const now = performance.now();
      const rate = (tokensPerStep * 1000) / (now - last);
      last = now;
      speed = speed === 0 ? rate : speed * 0.95 + rate * 0.05;
      smooth = smooth === 0 ? result.loss : smooth * 0.95 + result.loss * 0.05;
      bar.update(step, {
        loss: smooth.toFixed(3),
        validation: validation?.toFixed(3) ?? '–',
        speed: speed.toFixed(0),
      });
    },
    stop: () => bar.stop(),
  };
}
