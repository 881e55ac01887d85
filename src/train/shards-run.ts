/** Training expert shards on a frozen base: experts and gates of several specialties in one pool, answers only. */
import { createHash } from 'node:crypto';
import { createRandom } from '../base/random.ts';
import type { Checkpoint } from '../model/checkpoint.ts';
import type { Tokenizer, TokenizerFiles } from '../model/tokenizer.ts';
import type { Device } from '../tensor/device.ts';
import { writeTensor } from '../tensor/tensors.ts';
import { RowSampler, requireRows, stackRows } from './batches.ts';
import type { ShardsRunConfig } from './config.ts';
import { selectShardDocuments } from './data/corpus.ts';
import type { EncodedCorpus } from './data/corpus.ts';
import { loadCorpus } from './data/load-corpus.ts';
import { packDataset } from './data/packing.ts';
import type { PackedDataset } from './data/packing.ts';
import { initialExpertTensor } from './initialise.ts';
import { openRunFolder } from './run-files.ts';
import { runTraining } from './run.ts';
import { batchRoutes, drawActiveShards, poolShape } from './shard-routes.ts';
import type { ActiveShards, ShardPool } from './shard-routes.ts';
import { Trainer } from './trainer.ts';
import type { Batch, StepResult } from './trainer.ts';

export interface ShardsRunRequest {
  readonly config: ShardsRunConfig;
  readonly device: Device;
  readonly checkpoint: Checkpoint;
  readonly baseFingerprint: string;
  readonly tokenizer: Tokenizer;
  readonly tokenizerFiles: TokenizerFiles;
  readonly dataDirectory: string;
  readonly folder: string;
  readonly onStart: (facts: {
    rows: Readonly<Record<string, number>>;
    step: number;
    totalSteps: number;
  }) => void;
  readonly onStep: (step: number, result: StepResult, validation: number | null) => void;
  readonly signal: AbortSignal;
}

export interface ShardsRun {
  readonly trainer: Trainer;
  readonly pool: ShardPool;
  readonly run: string;
}

/** Rows of each specialty scored for one validation figure. */
const VALIDATION_ROWS = 2;

export async function runShards(request: ShardsRunRequest): Promise<ShardsRun> {
  const { config, device } = request;
  const pool: ShardPool = {
    shards: config.specialties.length,
    experts: config.experts,
    topK: config.topK,
  };
  const train = await packSpecialties(request, 'train');
  const valid = await packSpecialties(request, 'valid');
  const trainer = createShardsTrainer(device, config, request.checkpoint);
  await trainer.prepare();
  await loadFrozen(device, trainer, request.checkpoint);
  await initialise(device, trainer, config);
  const run = createHash('sha256')
    .update(JSON.stringify([config, request.baseFingerprint]))
    .digest('hex');
  const folder = await openRunFolder(request.folder, run, device, trainer);
  const step = await folder.resume();
  const { steps: totalSteps } = config.optimiser;
  const rows = Object.fromEntries(config.specialties.map((name, shard) => [name, train[shard]!.rowCount]));
  request.onStart({ rows, step, totalSteps });
  const samplers = train.map((dataset, shard) => new RowSampler(dataset.rowCount, config.seed + shard));
  let validation: number | null = null;
  await runTraining(trainer, totalSteps, {
    batchAt: (at) => trainingBatch(config, pool, train, samplers, at),
    onStep: async (at, result) => {
      request.onStep(at, result, validation);
      await folder.metric({ step: at, ...result });
    },
    saveEvery: config.saveEvery,
    save: () => folder.save(),
    validateEvery: config.validateEvery,
    validate: async () => {
      validation = await meanLoss(trainer, config, pool, valid);
      await folder.metric({ step: trainer.step, validation });
    },
    signal: request.signal,
  });
  return { trainer, pool, run };
}

function createShardsTrainer(device: Device, config: ShardsRunConfig, checkpoint: Checkpoint): Trainer {
  const { optimiser } = config;
  const pool: ShardPool = { shards: config.specialties.length, experts: config.experts, topK: config.topK };
  return new Trainer(device, {
    config: checkpoint.config,
    batch: { B: config.rows, T: config.rowLength },
    trainBase: false,
    experts: poolShape(pool, config.rank, config.rows),
    adamw: {
      beta1: optimiser.beta1,
      beta2: optimiser.beta2,
      epsilon: optimiser.epsilon,
      weightDecay: optimiser.weightDecay,
      maxNorm: optimiser.maxGradientNorm,
    },
    schedule: {
      peak: optimiser.peakLearningRate,
      warmupSteps: optimiser.warmupSteps,
      totalSteps: optimiser.steps,
      floor: optimiser.floor,
    },
  });
}

async function loadFrozen(device: Device, trainer: Trainer, checkpoint: Checkpoint): Promise<void> {
  for (const [name, tensor] of trainer.network.frozen?.tensors ?? []) {
    await writeTensor(device, tensor, await checkpoint.tensor(name));
  }
}

/** Each row of a batch is of one specialty; specialties take turns, so that all are seen equally often. */
function trainingBatch(
  config: ShardsRunConfig,
  pool: ShardPool,
  datasets: readonly PackedDataset[],
  samplers: readonly RowSampler[],
  step: number,
): Batch {
  const random = createRandom(config.seed * 1_000_003 + step);
  const active: ActiveShards[] = [];
  const rows = Array.from({ length: config.rows }, (_, index) => {
    const turn = step * config.rows + index;
    const shard = turn % pool.shards;
    active.push(drawActiveShards(shard, pool, config.activeShards, random));
    const place = samplers[shard]?.at(Math.floor(turn / pool.shards)) ?? 0;
    return datasets[shard]!.row(place);
  });
  const shape = poolShape(pool, config.rank, config.rows);
  return { ...stackRows(rows), routes: batchRoutes(active, config.rowLength, pool, shape) };
}

/** Mean loss in nats an answer token, each specialty with its own shard alone. */
async function meanLoss(
  trainer: Trainer,
  config: ShardsRunConfig,
  pool: ShardPool,
  datasets: readonly PackedDataset[],
): Promise<number> {
  const jobs = datasets.flatMap((dataset, shard) =>
    Array.from({ length: Math.min(VALIDATION_ROWS, dataset.rowCount) }, (_, row) => ({
      dataset,
      shard,
      row,
    })),
  );
  const shape = poolShape(pool, config.rank, config.rows);
  let [sum, count] = [0, 0];
  for (let from = 0; from < jobs.length; from += config.rows) {
    const part = jobs.slice(from, from + config.rows);
    // The last batch is filled up with rows that are not counted.
    const full = Array.from({ length: config.rows }, (_, row) => part[row] ?? part[0]!);
    const losses = await trainer.score({
      ...stackRows(full.map(({ dataset, row }) => dataset.row(row))),
      routes: batchRoutes(
        full.map(({ shard }) => ({ shards: [shard], priors: [1] })),
        config.rowLength,
        pool,
        shape,
      ),
    });
    for (const loss of losses.subarray(0, part.length * config.rowLength)) {
      sum += loss;
      if (loss !== 0) count++;
    }
  }
  return sum / count;
}

async function packSpecialties(
  request: ShardsRunRequest,
  split: 'train' | 'valid',
): Promise<PackedDataset[]> {
  const { config, dataDirectory, tokenizer, tokenizerFiles, folder } = request;
  const cachePath = `${folder}-${split}.corpus`;
  const corpus: EncodedCorpus = await loadCorpus({
    dataDirectory,
    split,
    parts: ['sft', 'mcq'],
    tokenizer,
    tokenizerFiles,
    cachePath,
  });
  return config.specialties.map((specialty) => {
    const dataset = packDataset(selectShardDocuments(corpus, specialty), {
      rowLength: config.rowLength,
      seed: config.seed,
      learn: 'answers',
    });
    requireRows(dataset, `The ${split} data of ${specialty}`);
    return dataset;
  });
}

async function initialise(device: Device, trainer: Trainer, config: ShardsRunConfig): Promise<void> {
  const { trained, scales } = trainer.network;
  const random = createRandom(config.seed);
  for (const [name, tensor] of trained.tensors) {
    await writeTensor(device, tensor, initialExpertTensor(name, tensor.shape, random));
  }
  if (scales) {
    const scale = new Float32Array(scales.shape[0]!).fill(config.alpha / config.rank);
    await writeTensor(device, scales, scale);
  }
}
