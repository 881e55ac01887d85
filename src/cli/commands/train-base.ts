/** `sparsedoctor train base`: a base from nothing, or further. */
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { exportBase, runBase } from '../../train/base-run.ts';
import { baseRunSchema, parseRunConfig } from '../../train/config.ts';
import { encodeTrainer } from '../../train/run-files.ts';
import { writeWhole } from '../../train/write-whole.ts';
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

interface BaseOptions {
  readonly data: string;
  readonly folder: string;
  readonly threads: string;
  readonly device: string;
  readonly out: string;
  readonly memoryLimit?: string;
  readonly skipBadRows?: boolean;
  readonly resume?: string;
}

export function registerTrainBaseCommand(train: Command): void {
  train
    .command('base')
    .description('train a base model; goes on where the folder left off')
    .argument('<run>', 'JSON file of the run')
    .requiredOption('--data <directory>', 'folder with pretrain/, sft/ and mcq/')
    .option('--folder <directory>', 'where state and metrics are kept', 'runs/base')
    .option('--out <directory>', 'where the tokenizer is, and the trained checkpoint goes', 'weights/base')
    .option('--resume <file>', 'resume file to go on from when the folder has no state')
    .option('--threads <n>', 'compute threads', '2')
    .addOption(trainingDeviceOption())
    .option(SKIP_BAD_ROWS, 'train without the rows that are not as they should be')
    .option('--memory-limit <GiB>', 'most memory the run may take; by default what the machine has free')
    .action(trainBase);
}

async function trainBase(runFile: string, options: BaseOptions): Promise<void> {
  const config = parseRunConfig(await readFile(runFile, 'utf8'), baseRunSchema, runFile);
  const { tokenizer, files } = await openTokenizer(options.out);
  const device = await openTrainingDevice(options.device, options.threads);
  try {
    const bad = badRows(options.skipBadRows);
    const progress = terminalProgress(config.rows * config.rowLength);
    const run = await runBase({
      config,
      device,
      tokenizer,
      tokenizerFiles: files,
      dataDirectory: resolve(options.data),
      folder: resolve(options.folder),
      ...(options.resume === undefined ? {} : { resumeFrom: new Uint8Array(await readFile(options.resume)) }),
      ...bad.request,
      onMemory: memoryCheck(options.memoryLimit, device),
      onStart: ({ parts, rows, step, totalSteps }) => {
        for (const part of parts) tell(`${part.part}: ${part.documents} documents, ${part.tokens} tokens`);
        tell(`${rows} rows of ${config.rowLength} tokens; ${device.description}`);
        bad.report(tell);
        progress.start(step, totalSteps);
      },
      onStep: (step, result, validation) => progress.step(step, result, validation),
      signal: interruptSignal(),
    }).finally(() => progress.stop());
    await tellEnd(run.end, run.trainer.step, options.folder);
    if (run.end === 'interrupted') return;
    for (const [name, bytes] of Object.entries(await exportBase(device, run.trainer, run.model))) {
      await writeWhole(join(options.out, name), bytes);
    }
    const resume = await encodeTrainer(device, run.trainer, run.run, 'compact');
    await writeWhole(join(options.out, 'resume.safetensors'), resume);
    tell(`${run.tokens} tokens seen; wrote ${options.out}/model.safetensors`);
  } finally {
    await device.dispose();
  }
}
