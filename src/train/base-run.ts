/** Training a base model from nothing: next-token prediction over texts, consultations and questions. */
import { createHash } from 'node:crypto';
import type { DataProblem } from '../base/data-problem.ts';
import { createRandom } from '../base/random.ts';
import { encodeCheckpoint } from '../model/checkpoint.ts';
import type { ModelConfig } from '../model/config.ts';
import type { Tokenizer, TokenizerFiles } from '../model/tokenizer.ts';
import type { Device } from '../tensor/device.ts';
import { readTensor, writeTensor } from '../tensor/tensors.ts';
import { RowSampler, requireRows, stackRows } from './batches.ts';
import { optimizerOptions } from './config.ts';
import type { BaseRunConfig } from './config.ts';
import { measureParts } from './data/corpus.ts';
import type { PartSize } from './data/corpus.ts';
import { loadCorpus } from './data/load-corpus.ts';
import { packDataset } from './data/packing.ts';
import type { PackedDataset } from './data/packing.ts';
import { initialBaseTensor } from './initialise.ts';
import { openRunFolder, restoreTrainer } from './run-files.ts';
import type { RunFolder } from './run-files.ts';
import { estimateMemory } from './memory-estimate.ts';
import type { MemoryEstimate } from './memory-estimate.ts';
import { runTraining } from './run.ts';
import type { RunEnd, TimedStep } from './run.ts';
import { Trainer } from './trainer.ts';
import type { TrainerOptions } from './trainer.ts';

export interface BaseRunRequest {
  readonly config: BaseRunConfig;
  readonly device: Device;
  readonly tokenizer: Tokenizer;
  readonly tokenizerFiles: TokenizerFiles;
  readonly dataDirectory: string;
  /** Where state, metrics and the encoded corpus are kept. */
  readonly folder: string;
  /** A state from elsewhere to go on from, when the folder has none. */
  readonly resumeFrom?: Uint8Array;
  /** Called for each bad row of the data, which is left out; without it bad rows are an error. */
  readonly onBadRow?: (problem: DataProblem) => void;
  /** Called before anything is allocated or read: may throw where the run cannot fit. */
  readonly onMemory?: (estimate: MemoryEstimate) => void;
  readonly onStart: (facts: { parts: PartSize[]; rows: number; step: number; totalSteps: number }) => void;
  readonly onStep: (step: number, result: TimedStep, validation: number | null) => void;
  readonly signal: AbortSignal;
}

export interface BaseRun {
  readonly model: ModelConfig;
  readonly trainer: Trainer;
  readonly folder: RunFolder;
  readonly run: string;
  readonly tokens: number;
  readonly end: RunEnd;
}

/** Batches scored for one validation figure. */
const VALIDATION_BATCHES = 12;

export async function runBase(request: BaseRunRequest): Promise<BaseRun> {
  const { config, device, tokenizer } = request;
  const model = baseModelConfig(config, tokenizer);
  const options = baseTrainerOptions(config, model);
  request.onMemory?.(estimateMemory(options));
  const train = await packed(request, 'train');
  const valid = await packed(request, 'valid');
  const trainer = new Trainer(device, options);
  await trainer.prepare();
  await initialise(device, trainer, model, config.seed);
  const run = runIdentity(config, request.tokenizerFiles.tokenizer);
  const folder = await openRunFolder(request.folder, run, device, trainer);
  const own = await folder.resume();
  if (own === 0 && request.resumeFrom) {
    const runs = config.continues === undefined ? [run] : [run, config.continues];
    await restoreTrainer(device, trainer, runs, request.resumeFrom);
  }
  const { step } = trainer;
  const { steps: totalSteps } = config.optimiser;
  request.onStart({ parts: train.parts, rows: train.dataset.rowCount, step, totalSteps });
  const sampler = new RowSampler(train.dataset.rowCount, config.seed);
  let validation: number | null = null;
  const end = await runTraining(trainer, totalSteps, {
    batchAt: (at) => stackRows(sampler.batch(at, config.rows).map((row) => train.dataset.row(row))),
    onStep: async (at, result) => {
      request.onStep(at, result, validation);
      await folder.metric({ step: at, ...result });
    },
    saveEvery: config.saveEvery,
    save: () => folder.save(),
    validateEvery: config.validateEvery,
    validate: async () => {
      validation = await meanLoss(trainer, valid.dataset, config.rows);
      await folder.metric({ step: trainer.step, validation });
      return validation;
    },
    stop: config.stop,
    best: folder.best,
    history: folder.history(),
    signal: request.signal,
  });
  return { model, trainer, folder, run, tokens: trainer.step * config.rows * config.rowLength, end };
}

/** config.json and model.safetensors of the trained base, F16. */
export async function exportBase(
  device: Device,
  trainer: Trainer,
  model: ModelConfig,
): Promise<Record<string, Uint8Array>> {
  const tensors = new Map<string, Float32Array>();
  for (const [name, tensor] of trainer.network.trained.tensors) {
    tensors.set(name, await readTensor(device, tensor));
  }
  return encodeCheckpoint(model, tensors, 'F16');
}

function baseModelConfig(config: BaseRunConfig, tokenizer: Tokenizer): ModelConfig {
  const eosTokens = [...tokenizer.endOfTextIds];
  return { ...config.model, vocabularySize: tokenizer.vocabularySize, tiedHead: true, eosTokens };
}

function baseTrainerOptions(config: BaseRunConfig, model: ModelConfig): TrainerOptions {
  return {
    config: model,
    batch: { B: config.rows, T: config.rowLength },
    trainBase: true,
    experts: null,
    ...optimizerOptions(config.optimiser),
  };
}

/** Config and tokenizer.json decide a run; its files carry this hash. */
function runIdentity(config: unknown, tokenizer: string): string {
  return createHash('sha256')
    .update(JSON.stringify([config, tokenizer]))
    .digest('hex');
}

async function packed(
  request: BaseRunRequest,
  split: 'train' | 'valid',
): Promise<{ dataset: PackedDataset; parts: PartSize[] }> {
  const { config, dataDirectory, tokenizer, tokenizerFiles, folder, onBadRow } = request;
  const cachePath = `${folder}-${split}.corpus`;
  const corpus = await loadCorpus({
    dataDirectory,
    split,
    parts: config.parts,
    tokenizer,
    tokenizerFiles,
    cachePath,
    ...(onBadRow === undefined ? {} : { onBadRow }),
  });
  const dataset = packDataset(corpus, {
    rowLength: config.rowLength,
    seed: config.seed,
    learn: 'everything',
  });
  requireRows(dataset, `The ${split} data`);
  return { dataset, parts: measureParts(corpus) };
}

async function initialise(device: Device, trainer: Trainer, model: ModelConfig, seed: number): Promise<void> {
  const random = createRandom(seed);
  for (const [name, tensor] of trainer.network.trained.tensors) {
    await writeTensor(device, tensor, initialBaseTensor(name, tensor.shape, model, random));
  }
}

/** Mean loss in nats a token over the first rows of the validation set. */
async function meanLoss(trainer: Trainer, dataset: PackedDataset, rows: number): Promise<number> {
  let [sum, count] = [0, 0];
  for (let at = 0; at < VALIDATION_BATCHES; at++) {
    const indexes = Array.from({ length: rows }, (_, row) => (at * rows + row) % dataset.rowCount);
    const losses = await trainer.score(stackRows(indexes.map((row) => dataset.row(row))));
    for (const loss of losses) {
      sum += loss;
      if (loss !== 0) count++;
    }
  }
  return sum / count;
}
