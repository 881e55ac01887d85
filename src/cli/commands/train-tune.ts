/** `sparsedoctor train tune`: fine-tuning for specialties, by shards of experts or of the whole base. */
import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Command } from 'commander';
import { CallerError } from '../../base/errors.ts';
import { ATTENTION_LINEARS } from '../../base/shard-tensors.ts';
import type { AdaptedLinear } from '../../base/shard-tensors.ts';
import { openCheckpoint } from '../../model/checkpoint.ts';
import { fingerprint } from '../../model/fingerprint.ts';
import { readShardFile } from '../../model/shard-file.ts';
import type { ShardFile } from '../../model/shard-file.ts';
import { parseRunConfig } from '../../train/config.ts';
import { tuneRunSchema } from '../../train/tune-config.ts';
import type { TuneRunConfig } from '../../train/tune-config.ts';
import { exportTuned } from '../../train/tune-export.ts';
import { runTune } from '../../train/tune-run.ts';
import { writeWhole } from '../../train/write-whole.ts';
import { directorySource } from '../directory-source.ts';
import { badRows, SKIP_BAD_ROWS } from '../bad-rows.ts';
import { trainingDeviceOption } from '../device-option.ts';
import { openTokenizer } from '../files.ts';
import {
  interruptSignal,
  memoryCheck,
  openTrainingDevice,
  tell,
  tellEnd,
  terminalProgress,
} from '../training-session.ts';

interface TuneOptions {
  readonly data: string;
  readonly folder: string;
  readonly threads: string;
  readonly device: string;
  readonly out?: string;
  readonly memoryLimit?: string;
  readonly skipBadRows?: boolean;
  readonly base: string;
  readonly shards: string;
  readonly shardsVersion: string;
  readonly licence: string;
}

export function registerTrainTuneCommand(train: Command): void {
  train
    .command('tune')
    .description('fine-tune for specialties: the base, LoRA or LoRA-MoE; goes on where the folder left off')
    .argument('<run>', 'JSON file of the run')
    .requiredOption('--data <directory>', 'folder with sft/ and mcq/')
    .option('--folder <directory>', 'where state and metrics are kept', 'runs/tune')
    .option('--base <directory>', 'the base to start from', 'weights/base')
    .option('--shards <directory>', 'folder of the shards that the run leaves as they are', 'weights/shards')
    .option('--shards-version <version>', 'their version', 'v1')
    .option(
      '--out <directory>',
      'where the shard files or the checkpoint go (default: weights/shards; shards in <folder>/shards where they have ' +
        'experts of attention, which are not served)',
    )
    .option('--licence <text>', 'licence of the shards', 'Apache-2.0')
    .option('--threads <n>', 'compute threads', '2')
    .addOption(trainingDeviceOption())
    .option(SKIP_BAD_ROWS, 'train without the rows that are not as they should be')
    .option('--memory-limit <GiB>', 'most memory the run may take; by default what the machine has free')
    .action(trainTune);
}

async function trainTune(runFile: string, options: TuneOptions): Promise<void> {
  const config = parseRunConfig(await readFile(runFile, 'utf8'), tuneRunSchema, runFile);
  const { tokenizer, files } = await openTokenizer(options.base);
  const checkpoint = await openCheckpoint(directorySource(options.base));
  const baseFingerprint = await fingerprint(checkpoint);
  const frozenShards = await readFrozen(config.frozen ?? [], options, baseFingerprint);
  const device = await openTrainingDevice(options.device, options.threads);
  try {
    const bad = badRows(options.skipBadRows);
    const progress = terminalProgress(config.rows * config.rowLength);
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
      ...bad.request,
      onMemory: memoryCheck(options.memoryLimit, device),
      onStart: ({ rows, step, totalSteps }) => {
        for (const [name, count] of Object.entries(rows)) tell(`${name}: ${count} rows`);
        bad.report(tell);
        progress.start(step, totalSteps);
      },
      onStep: (step, result, validation) => progress.step(step, result, validation),
      signal: interruptSignal(),
    }).finally(() => progress.stop());
    await tellEnd(run.end, run.trainer.step, options.folder);
    if (run.end === 'interrupted') return;
    const origin = { baseFingerprint, created: new Date(), run: run.run, licence: options.licence };
    const written = await exportTuned(device, run, origin);
    const research = ATTENTION_LINEARS.filter((linear) => adapts(config, linear));
    const out = options.out ?? (research.length > 0 ? join(options.folder, 'shards') : 'weights/shards');
    for (const [name, bytes] of written) {
      await mkdir(dirname(join(out, name)), { recursive: true });
      await writeWhole(join(out, name), bytes);
    }
    tell(`wrote ${[...written.keys()].join(', ')} to ${out}`);
    if (research.length > 0) {
      tell(
        `with experts of ${research.join(', ')}: to be scored, not served; edge and hosts refuse these files`,
      );
    }
  } finally {
    await device.dispose();
  }
}

function adapts({ method }: TuneRunConfig, linear: AdaptedLinear): boolean {
  return method.kind === 'experts' && method.adapted !== undefined && method.adapted.includes(linear);
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
    files.set(name, await readShardFile(new Uint8Array(bytes), { baseFingerprint, use: 'training' }));
  }
  return files;
}
