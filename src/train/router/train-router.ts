/**
 * One router training run: reads the data, trains, measures against the baseline, and writes the model with a manifest
 * from which the run can be repeated. Everything is seeded: the same config and data give the same bytes.
 */

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CallerError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { sha256Hex } from '../../base/sha256.ts';
import { trainBaseline } from './baseline.ts';
import { routerConfigSchema, type RouterConfig } from './config.ts';
import { readGeneralPrompts, readRouterRows, readUnlabelledPrompts, type RouterRow } from './data.ts';
import {
  featureMatrix,
  fitRouter,
  routerProbabilities,
  subset,
  trainingSet,
  type TrainingSet,
} from './fit.ts';
import { leaveSourcesOut } from './leave-source-out.ts';
import { toOnnx, type RouterModel } from './model.ts';
import {
  accuracyReport,
  bestLabels,
  calibrationReport,
  pairedTests,
  perSpecialty,
  thresholdTable,
  type ScoredRow,
} from './report.ts';

export interface RouterTrainingPaths {
  /** JSON of `routerConfigSchema`. */
  readonly config: string;
  /** Folder with router/train, router/valid and sft/valid (.jsonl.gz). */
  readonly data: string;
  readonly generalPrompts: string;
  /** Gets router.onnx and manifest.json. */
  readonly output: string;
  /** Gets the measurements. */
  readonly report: string;
}

const THRESHOLDS = [0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7];

export async function trainRouter(paths: RouterTrainingPaths, logger: Logger): Promise<void> {
  const configBytes = await readFile(paths.config);
  const config = parseConfig(configBytes, paths.config);
  const data = await readData(paths);
  const labels = [...new Set(data.train.rows.map((row) => row.specialty))].sort();
  const set = trainingSet(data.train.rows, data.general.train, labels, config);
  logger.info(
    { rows: set.targets.length, entries: set.features.indices.length },
    'router: features are ready',
  );
  const fit = fitRouter(set, labels, config);
  const onnx = toOnnx(fit.model, config);
  logger.info({ bytes: onnx.length }, 'router: trained');

  const { summary, report } = measure(fit, set, labels, data, config, logger);
  await mkdir(paths.output, { recursive: true });
  await writeFile(join(paths.output, 'router.onnx'), onnx);
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
    config,
    configSha256: await sha256Hex(configBytes),
    data: {
      'router/train.jsonl.gz': data.train.sha256,
      'router/valid.jsonl.gz': data.valid.sha256,
      'sft/valid.jsonl.gz': data.unlabelled.sha256,
      'general-prompts.json': data.general.sha256,
    },
    metrics: summary,
  };
  await writeFile(join(paths.output, 'manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  await writeFile(paths.report, `${JSON.stringify(report, null, 2)}\n`);
  logger.info({ gold: summary.gold.accuracy, all: summary.all.accuracy }, 'router: measured and written');
}

function parseConfig(bytes: Uint8Array, path: string): RouterConfig {
  const parsed = routerConfigSchema.safeParse(JSON.parse(new TextDecoder().decode(bytes)));
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ');
  throw new CallerError('bad_config', `The router config is not valid: ${problems}.`, { param: path });
}

type TrainingData = Awaited<ReturnType<typeof readData>>;

async function readData(paths: RouterTrainingPaths) {
  const [train, valid, unlabelled, general] = await Promise.all([
    readRouterRows(join(paths.data, 'router/train.jsonl.gz')),
    readRouterRows(join(paths.data, 'router/valid.jsonl.gz')),
    readUnlabelledPrompts(join(paths.data, 'sft/valid.jsonl.gz')),
    readGeneralPrompts(paths.generalPrompts),
  ]);
  return { train, valid, unlabelled, general };
}

function measure(
  fit: { model: RouterModel; unquantised: ReturnType<typeof fitRouter>['unquantised'] },
  set: TrainingSet,
  labels: readonly string[],
  data: TrainingData,
  config: RouterConfig,
  logger: Logger,
) {
  const valid = data.valid.rows;
  const validSet = trainingSet(valid, [], labels, config);
  const scored = scoreRows(valid, routerProbabilities(fit.model, validSet.features), labels);
  const floats = scoreRows(valid, fit.unquantised(validSet.features), labels);
  const texts = data.train.rows.map((row) => row.text);
  const targets = set.targets.slice(0, texts.length);
  const baselineScores = trainBaseline(texts, targets, labels.length);
  const baseline = scoreRows(valid, baselineScores(valid.map((row) => row.text)), labels);
  logger.info({}, 'router: baseline is trained');

  const best = (prompts: readonly string[]): number[] =>
    bestLabels(routerProbabilities(fit.model, featureMatrix(prompts, config)), labels.length).map(
      (row) => row.probability,
    );
  const general = best(data.general.heldOut);
  const summary = {
    ...accuracyReport(scored, labels.length),
    mcnemar: pairedTests(scored, baseline),
  };
  const labelledSet = subset(
    set,
    texts.map((_, row) => row),
  );
  const report = {
    rows: { train: texts.length, valid: valid.length, general: data.general.train.length },
    router: summary,
    beforeQuantisation: accuracyReport(floats, labels.length),
    baseline: accuracyReport(baseline, labels.length),
    perSpecialty: perSpecialty(scored, labels),
    calibration: calibrationReport(scored),
    thresholds: thresholdTable(scored, best(data.unlabelled.rows), general, THRESHOLDS),
    generalPromptsBestProbability: data.general.heldOut.map((prompt, row) => ({
      prompt,
      probability: general[row] ?? 0,
    })),
    leaveSourceOut: leaveSourcesOut(
      { rows: [...data.train.rows, ...valid], sets: [labelledSet, validSet] },
      labels,
      config,
      logger,
    ),
  };
  return { summary, report };
}

function scoreRows(rows: readonly RouterRow[], scores: Float64Array, labels: readonly string[]): ScoredRow[] {
  const best = bestLabels(scores, labels.length);
  return rows.map((row, index) => ({
    source: row.source,
    gold: row.gold,
    target: labels.indexOf(row.specialty),
    best: best[index]?.best ?? 0,
    probability: best[index]?.probability ?? 0,
  }));
}
