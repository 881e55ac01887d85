/**
 * A search of settings before the ablation: short runs of one arm with one setting changed at a time, all on the same
 * batches. No row is seen twice, so the loss of a batch before its step is a loss on unseen text; two settings are
 * compared batch by batch.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CallerError } from '../../base/errors.ts';
import { createWasmDevice } from '../../tensor/wasm/node.ts';
import { tuneRunSchema } from '../../train/tune-config.ts';
import type { TuneRunConfig } from '../../train/tune-config.ts';
import { readRun } from '../report/read-run.ts';
import { ARMS, armConfig } from './arms.ts';
import type { Profile } from './arms.ts';
import { train } from './run-arm.ts';
import type { ArmRequest } from './run-arm.ts';

export interface SearchRequest extends Omit<ArmRequest, 'heldOut' | 'items' | 'commit' | 'arm' | 'seed'> {
  readonly armName: string;
  /**
   * Settings as `path=value`, several at once with commas, such as `method.contrast.temperature=0.1`; a list stands in
   * brackets, `method.adapted=[q_proj,v_proj]`.
   */
  readonly settings: readonly string[];
  readonly steps: number;
  readonly seed: number;
}

export interface SearchRow {
  readonly setting: string;
  /** Of the model. */
  readonly trainedParameters: number;
  /** Mean loss of unseen batches over the second half of the steps, nats an answer token. */
  readonly loss: number;
  /** Against the first row, batch by batch, with its standard error. */
  readonly difference: number;
  readonly error: number;
  readonly routing: Readonly<
    Record<'entropy' | 'mutualInformation' | 'silhouette' | 'withinVariance', number>
  > | null;
}

/** No seed of the ablation's, so that nothing is chosen on its rows in its order. */
export const SEARCH_SEED = 900;

export async function search(request: SearchRequest, onRow: (row: SearchRow) => void): Promise<SearchRow[]> {
  const rows: SearchRow[] = [];
  let reference: readonly number[] | null = null;
  for (const setting of ['as it is', ...request.settings]) {
    const config = settingConfig(request.armName, request.profile, request, setting);
    const measured = await losses(request, config);
    if (measured === null) break;
    reference ??= measured.losses;
    const differences = measured.losses.map((loss, at) => loss - reference![at]!);
    const row = {
      setting,
      trainedParameters: measured.trainedParameters,
      loss: mean(measured.losses),
      difference: mean(differences),
      error: Math.sqrt(
        mean(differences.map((value) => (value - mean(differences)) ** 2)) / differences.length,
      ),
      routing: measured.routing,
    };
    rows.push(row);
    onRow(row);
  }
  return rows;
}

/** The arm's config with the settings in place; checked as a whole. */
export function settingConfig(
  armName: string,
  profile: Profile,
  { steps, seed }: Pick<SearchRequest, 'steps' | 'seed'>,
  setting: string,
): TuneRunConfig {
  const arm = ARMS.find(({ name }) => name === armName);
  const config = arm && armConfig(arm, { ...profile, steps }, seed);
  if (!config) {
    const names = ARMS.filter(({ method }) => method).map(({ name }) => name);
    throw new CallerError(
      'unknown_arm',
      `There is no trained arm ${armName}: choose among ${names.join(', ')}.`,
    );
  }
  const changed: Record<string, unknown> = structuredClone({ ...config });
  if (setting !== 'as it is') for (const part of setting.split(/,(?![^[]*\])/)) setValue(changed, part);
  const result = tuneRunSchema.safeParse(changed);
  if (result.success) return result.data;
  const problems = result.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
  throw new CallerError('bad_setting', `${setting} cannot be used: ${problems.join('; ')}.`);
}

function setValue(config: Record<string, unknown>, setting: string): void {
  const [path = '', text] = setting.split(/=(.*)/s);
  const keys = path.split('.');
  const last = keys.pop()!;
  let place: unknown = config;
  for (const key of keys) place = isRecord(place) && Object.hasOwn(place, key) ? place[key] : undefined;
  if (!isRecord(place) || text === undefined) {
    throw new CallerError(
      'bad_setting',
      `${setting} is no setting: give path=value, as in optimiser.peakLearningRate=0.001.`,
    );
  }
  const list = /^\[(.*)\]$/su.exec(text);
  place[last] = list ? list[1]!.split(',').map(parseValue) : parseValue(text);
}

function parseValue(text: string): number | string {
  return /^-?[\d.]+(?:e-?\d+)?$/iu.test(text) ? Number(text) : text;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

async function losses(
  request: SearchRequest,
  config: TuneRunConfig,
): Promise<({ losses: number[] } & Pick<SearchRow, 'trainedParameters' | 'routing'>) | null> {
  const folder = join(request.workFolder, 'search');
  await rm(folder, { recursive: true, force: true });
  const device = await createWasmDevice({ threads: request.threads });
  try {
    const run = await train(request, config, device, folder);
    if (run.end === 'interrupted') return null;
    const { steps, routing } = await readRun(folder);
    const layers = routing.at(-1)?.routing ?? [];
    const average = (of: (layer: (typeof layers)[number]) => number | null | undefined): number =>
      mean(layers.map((layer) => of(layer) ?? 0));
    return {
      trainedParameters: run.trainedParameters,
      losses: steps.slice(Math.floor(steps.length / 2)).map(({ loss }) => loss),
      routing:
        layers.length === 0
          ? null
          : {
              entropy: average(({ entropy }) => entropy),
              mutualInformation: average(({ mutualInformation }) => mutualInformation),
              silhouette: average(({ silhouette }) => silhouette),
              withinVariance: average(({ withinVariance }) => withinVariance),
            },
    };
  } finally {
    await device.dispose();
  }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
