/** One arm and seed: train, measure, and say what it took. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Checkpoint } from '../../model/checkpoint.ts';
import type { Tokenizer, TokenizerFiles } from '../../model/tokenizer.ts';
import type { Device } from '../../tensor/device.ts';
import { createWasmDevice } from '../../tensor/wasm/node.ts';
import { readRun } from '../report/read-run.ts';
import type { LayerRouting } from '../report/read-run.ts';
import { Scorer } from '../../train/scorer.ts';
import { runTune } from '../../train/tune-run.ts';
import type { TuneRun } from '../../train/tune-run.ts';
import { NO_SHARDS, tunePool } from '../../train/tune-pool.ts';
import type { TuneRunConfig } from '../../train/tune-config.ts';
import type { Progress } from '../progress.ts';
import { armConfig } from './arms.ts';
import type { Arm, Profile } from './arms.ts';
import { measure } from './held-out.ts';
import type { HeldOut } from './held-out.ts';
import type { ArmResult } from './results.ts';

export interface ArmRequest {
  readonly arm: Arm;
  readonly profile: Profile;
  readonly seed: number;
  readonly checkpoint: Checkpoint;
  readonly baseFingerprint: string;
  readonly tokenizer: Tokenizer;
  readonly tokenizerFiles: TokenizerFiles;
  readonly dataDirectory: string;
  readonly heldOut: HeldOut;
  readonly items: string;
  readonly commit: string | null;
  /** Where runs keep their state: an interrupted one goes on from there. */
  readonly workFolder: string;
  readonly threads: number;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** Null where it was interrupted. Its state stays until `forgetArm`. */
export async function runArm(request: ArmRequest): Promise<ArmResult | null> {
  const device = await createWasmDevice({ threads: request.threads });
  try {
    const config = armConfig(request.arm, request.profile, request.seed);
    return config ? await runTrained(request, config, device) : await measureBase(request, device);
  } finally {
    await device.dispose();
  }
}

/** Removes the state of an arm: of no use once its result is written. */
export async function forgetArm(request: Parameters<typeof runFolder>[0]): Promise<void> {
  await rm(runFolder(request), { recursive: true, force: true });
}

function runFolder({
  workFolder,
  profile,
  arm,
  seed,
}: Pick<ArmRequest, 'workFolder' | 'profile' | 'arm' | 'seed'>): string {
  const name = `${arm.name}-${seed}`;
  return join(workFolder, profile.name === 'full' ? name : `${profile.name}-${name}`);
}

async function measureBase(request: ArmRequest, device: Device): Promise<ArmResult> {
  const { checkpoint, profile, heldOut } = request;
  const scorer = await Scorer.create(device, checkpoint, [], profile);
  return {
    ...identify(request, device),
    config: null,
    trainedParameters: 0,
    steps: 0,
    trainTokens: 0,
    tokensPerSecond: null,
    peakBytes: device.memory().peakBytes,
    validation: null,
    ...(await measure(scorer, NO_SHARDS, heldOut, { ...profile, tokenizer: request.tokenizer })),
    routing: null,
  };
}

async function runTrained(
  request: ArmRequest,
  config: TuneRunConfig,
  device: Device,
): Promise<ArmResult | null> {
  const { profile, heldOut, tokenizer } = request;
  const folder = runFolder(request);
  const run = await train(request, config, device, folder);
  if (run.end === 'interrupted') return null;
  const { peakBytes } = device.memory();
  const pool = tunePool(config);
  const scorer = Scorer.of(device, run.trainer.network, pool?.pool ?? null);
  const active = pool ? { shards: [0], priors: [1] } : NO_SHARDS;
  const measures = await measure(scorer, active, heldOut, { ...profile, tokenizer });
  const { steps, validations, routing } = await readRun(folder);
  const tokens = config.rows * config.rowLength;
  const times = steps.flatMap(({ ms }) => ms ?? []).sort((first, second) => first - second);
  const median = times[Math.floor(times.length / 2)];
  return {
    ...identify(request, device),
    config,
    trainedParameters: run.trainedParameters,
    steps: config.optimiser.steps,
    trainTokens: config.optimiser.steps * tokens,
    tokensPerSecond: median === undefined ? null : (tokens * 1000) / median,
    peakBytes,
    validation: validations.at(-1)?.validation ?? null,
    ...measures,
    routing: routing.at(-1)?.routing.map(finalRouting) ?? null,
  };
}

/** The run of an arm in a folder of its own; goes on where that left off. */
export async function train(
  request: Omit<ArmRequest, 'heldOut' | 'items' | 'commit' | 'arm' | 'profile' | 'seed'>,
  config: TuneRunConfig,
  device: Device,
  folder: string,
): Promise<TuneRun> {
  const { workFolder, progress } = request;
  return runTune({
    ...request,
    config,
    device,
    folder,
    corpusPath: join(workFolder, 'data'),
    onStart: ({ step, totalSteps }) => progress.start(step, totalSteps),
    onStep: (step, result, validation) => progress.step(step, result, validation),
  }).finally(() => progress.stop());
}

function finalRouting({ layer, entropy, mutualInformation, silhouette, withinVariance, load }: LayerRouting) {
  return {
    layer,
    entropy: entropy ?? 0,
    mutualInformation: mutualInformation ?? 0,
    silhouette: silhouette ?? null,
    withinVariance: withinVariance ?? null,
    load,
  };
}

function identify(
  { arm, seed, baseFingerprint, items, commit }: ArmRequest,
  device: Device,
): Pick<ArmResult, 'arm' | 'seed' | 'baseFingerprint' | 'items' | 'commit' | 'device'> {
  return { arm: arm.name, seed, baseFingerprint, items, commit, device: device.description };
}
