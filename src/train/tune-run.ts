/**
 * A fine-tuning run from its config: full, LoRA, LoRA-MoE with or without contrastive supervision. All share data,
 * batches, loop, validation and state, so that what differs between two runs is what their configs say.
 */
import { join } from 'node:path';
import type { DataProblem } from '../base/data-problem.ts';
import type { Checkpoint } from '../model/checkpoint.ts';
import type { ModelConfig } from '../model/config.ts';
import type { ShardFile } from '../model/shard-file.ts';
import type { Tokenizer, TokenizerFiles } from '../model/tokenizer.ts';
import type { Device } from '../tensor/device.ts';
import { optimizerOptions } from './config.ts';
import { estimateMemory } from './memory-estimate.ts';
import type { MemoryEstimate } from './memory-estimate.ts';
import { RoutingWatch } from './routing-watch.ts';
import { openRunFolder } from './run-files.ts';
import { claimFolder, runName } from './run-identity.ts';
import type { RunIdentity } from './run-identity.ts';
import { runTraining } from './run.ts';
import type { RunEnd, TimedStep } from './run.ts';
import { Trainer } from './trainer.ts';
import type { TrainerOptions } from './trainer.ts';
import { TuneBatches } from './tune-batches.ts';
import type { TuneRunConfig } from './tune-config.ts';
import { loadTuneData } from './tune-data.ts';
import { loadFrozen } from './tune-frozen.ts';
import { tunePool } from './tune-pool.ts';
import { initialiseExperts, loadBase } from './tune-weights.ts';

export interface TuneRunRequest {
  readonly config: TuneRunConfig;
  readonly device: Device;
  readonly checkpoint: Checkpoint;
  readonly baseFingerprint: string;
  /** Finished shards of the config's frozen specialties. */
  readonly frozenShards?: ReadonlyMap<string, ShardFile>;
  readonly tokenizer: Tokenizer;
  readonly tokenizerFiles: TokenizerFiles;
  readonly dataDirectory: string;
  /** Where state and metrics are kept. */
  readonly folder: string;
  /** Where the encoded corpus is kept, for runs that share it; by default beside the folder. */
  readonly corpusPath?: string;
  /** Called for each bad row of the data, which is left out; without it bad rows are an error. */
  readonly onBadRow?: (problem: DataProblem) => void;
  /** Called before anything is allocated or read: may throw where the run cannot fit. */
  readonly onMemory?: (estimate: MemoryEstimate) => void;
  readonly onStart: (facts: TuneFacts) => void;
  readonly onStep: (step: number, result: TimedStep, validation: number | null) => void;
  readonly signal: AbortSignal;
}

export interface TuneFacts {
  /** Packed rows of each specialty. */
  readonly rows: Readonly<Record<string, number>>;
  readonly step: number;
  readonly totalSteps: number;
  /** Of the model. */
  readonly trainedParameters: number;
  /** Only for the contrastive loss: not part of what is exported. */
  readonly auxiliaryParameters: number;
  /** Of the device, all that the run will ever take. */
  readonly bytes: number;
}

export interface TuneRun extends TuneFacts {
  readonly config: TuneRunConfig;
  readonly model: ModelConfig;
  readonly trainer: Trainer;
  readonly identity: RunIdentity;
  /** Identity as one hash. */
  readonly run: string;
  readonly end: RunEnd;
}

export async function runTune(request: TuneRunRequest): Promise<TuneRun> {
  const { config, device, checkpoint } = request;
  const options = trainerOptions(config, checkpoint.config);
  request.onMemory?.(estimateMemory(options));
  const data = await loadTuneData(request);
  const identity = runIdentity(request, data.sha256);
  await claimFolder(request.folder, identity);
  const before = device.memory().allocatedBytes;
  const trainer = new Trainer(device, options);
  await trainer.prepare();
  await loadBase(device, trainer.network, checkpoint);
  const pool = tunePool(config);
  if (pool) {
    const scale = pool.method.alpha / pool.method.rank;
    await initialiseExperts(device, trainer.network, { seed: config.seed, scale });
    await loadFrozen(device, trainer.network, pool, config, request.frozenShards);
  }
  const run = runName(identity);
  const folder = await openRunFolder(request.folder, run, device, trainer);
  const facts: TuneFacts = {
    rows: Object.fromEntries(config.specialties.map((name, index) => [name, data.train[index]!.rowCount])),
    step: await folder.resume(),
    totalSteps: config.optimiser.steps,
    trainedParameters: trainer.parameters.trained,
    auxiliaryParameters: trainer.parameters.auxiliary,
    bytes: device.memory().allocatedBytes - before,
  };
  request.onStart(facts);
  const batches = new TuneBatches(config, data);
  const routing = pool ? new RoutingWatch(config, device, trainer.network, folder) : null;
  let validation: number | null = null;
  const end = await runTraining(trainer, facts.totalSteps, {
    batchAt: (step) => batches.at(step),
    onStep: async (step, result) => {
      request.onStep(step, result, validation);
      await folder.metric({ step, ...result });
      await routing?.afterStep(step, () => batches.at(step - 1));
    },
    saveEvery: config.saveEvery,
    save: () => folder.save(),
    validateEvery: config.validateEvery,
    validate: async () => {
      const measured = await batches.validate(trainer);
      validation = measured.validation;
      await folder.metric({ step: trainer.step, ...measured });
      return validation;
    },
    stop: config.stop,
    best: folder.best,
    history: folder.history(),
    signal: request.signal,
  });
  if (end !== 'interrupted') await routing?.writeOutputs(join(request.folder, 'outputs.json'));
  return { ...facts, config, model: checkpoint.config, trainer, identity, run, end };
}

function runIdentity({ config, baseFingerprint, frozenShards }: TuneRunRequest, data: string): RunIdentity {
  const files = (config.frozen ?? []).map((name): [string, string] => [
    name,
    frozenShards?.get(name)?.metadata.tensorsSha256 ?? '',
  ]);
  const frozen = files.length > 0 ? { frozen: Object.fromEntries(files) } : {};
  return { config, base: baseFingerprint, data, ...frozen };
}

/** What a run's network and optimizer are made for. */
export function trainerOptions(config: TuneRunConfig, model: ModelConfig): TrainerOptions {
  const pool = tunePool(config);
  return {
    config: model,
    batch: { B: config.rows, T: config.rowLength },
    trainBase: pool === null,
    experts: pool?.shape ?? null,
    ...(pool ? { routing: pool.method, trainedSlots: pool.trainedSlots } : {}),
    ...optimizerOptions(config.optimiser),
  };
}
