/**
 * One router training run: reads the data, trains, measures against the baseline, and writes the model with a manifest
 * from which the run can be repeated. Everything is seeded: the same config and data give the same bytes.
 */

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CallerError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { sha256Hex } from '../../base/sha256.ts';
import { routerConfigSchema, type RouterConfig } from './config.ts';
import { readGeneralPrompts, readRouterRows, readUnlabelledPrompts } from './data.ts';
import { fitRouter, trainingSet } from './fit.ts';
import { leaveSourcesOut } from './leave-source-out.ts';
import { measureRouter, type MeasuringData } from './measure.ts';
import { toOnnx } from './model.ts';

export interface RouterTrainingPaths {
  /** JSON of `routerConfigSchema`. */
  readonly config: string;
  /** Folder with router/train, router/valid and sft/valid (.jsonl.gz). */
  readonly data: string;
  /** JSON of prompts that belong to no specialty: `{"train": […], "heldOut": […]}`. */
  readonly generalPrompts: string;
  /** Gets router.onnx and manifest.json. */
  readonly output: string;
  /** Gets the measurements; without it nothing is measured. */
  readonly report?: string;
  /** Also trains once without each source: some minutes more. */
  readonly leaveSourcesOut?: boolean;
}

export async function trainRouter(paths: RouterTrainingPaths, logger: Logger): Promise<void> {
  const configBytes = await readFile(paths.config);
  const config = parseConfig(configBytes, paths.config);
  const { data, sha256 } = await readData(paths);
  const labels = [...new Set(data.train.map((row) => row.specialty))].sort();
  const set = trainingSet(data.train, data.general.train, labels, config);
  logger.info(
    { rows: set.targets.length, entries: set.features.indices.length },
    'router: features are ready',
  );
  const fit = fitRouter(set, labels, config);
  const onnx = toOnnx(fit.model, config);
  await mkdir(paths.output, { recursive: true });
  await writeFile(join(paths.output, 'router.onnx'), onnx);
  logger.info({ bytes: onnx.length }, 'router: trained and written');

  const report = paths.report === undefined ? undefined : measureRouter(fit, labels, data, config);
  const manifest = {
    file: 'router.onnx',
    sha256: await sha256Hex(onnx),
    bytes: onnx.length,
    format: 'ONNX, opset 17; int8 weights, uint8 inverse document frequencies',
    shapes: {
      idf: [fit.model.buckets],
      codes: [fit.model.buckets, labels.length],
      scale: [labels.length],
      bias: [labels.length],
    },
    labels,
    license: 'Apache-2.0; trained on rows under Apache-2.0, MIT, CC0-1.0 and CC BY 4.0',
    command: 'sparsedoctor train router',
    config,
    configSha256: await sha256Hex(configBytes),
    data: sha256,
    metrics: report?.router ?? null,
  };
  await writeJson(join(paths.output, 'manifest.json'), manifest);
  if (paths.report === undefined || report === undefined) return;
  await writeJson(paths.report, report);
  logger.info({ gold: report.router.gold.accuracy, all: report.router.all.accuracy }, 'router: measured');
  if (paths.leaveSourcesOut !== true) return;
  const rows = [...data.train, ...data.valid];
  const leaveSourceOut = leaveSourcesOut(rows, labels, config, logger);
  await writeJson(paths.report, { ...report, leaveSourceOut });
}

function parseConfig(bytes: Uint8Array, path: string): RouterConfig {
  const parsed = routerConfigSchema.safeParse(parseJson(bytes));
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ');
  throw new CallerError('bad_config', `The router config ${path} is not valid: ${problems}.`, {
    param: path,
  });
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}

async function writeJson(path: string, value: unknown): Promise<void> {
  await writeFile(path, `${JSON.stringify(value, null, 2)}\n`);
}

async function readData(
  paths: RouterTrainingPaths,
): Promise<{ data: MeasuringData; sha256: Record<string, string> }> {
  const [train, valid, unlabelled, general] = await Promise.all([
    readRouterRows(join(paths.data, 'router/train.jsonl.gz')),
    readRouterRows(join(paths.data, 'router/valid.jsonl.gz')),
    readUnlabelledPrompts(join(paths.data, 'sft/valid.jsonl.gz')),
    readGeneralPrompts(paths.generalPrompts),
  ]);
  return {
    data: { train: train.rows, valid: valid.rows, unlabelled: unlabelled.rows, general },
    sha256: {
      'router/train.jsonl.gz': train.sha256,
      'router/valid.jsonl.gz': valid.sha256,
      'sft/valid.jsonl.gz': unlabelled.sha256,
      'general-prompts.json': general.sha256,
    },
  };
}
