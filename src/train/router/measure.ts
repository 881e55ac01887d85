/** Measures a trained router on the rows it has not seen, beside the baseline. */

import { trainBaseline } from './baseline.ts';
import type { RouterConfig } from './config.ts';
import type { GeneralPrompts, RouterRow } from './data.ts';
import { featureMatrix, routerProbabilities, trainingSet, type Fit } from './fit.ts';
import {
  accuracyReport,
  bestLabels,
  calibrationReport,
  pairedTests,
  perSpecialty,
  thresholdTable,
  type ScoredRow,
} from './report.ts';

export interface MeasuringData {
  readonly train: readonly RouterRow[];
  readonly valid: readonly RouterRow[];
  /** Medical prompts that no lexicon or source assigns to a specialty. */
  readonly unlabelled: readonly string[];
  readonly general: GeneralPrompts;
}

const THRESHOLDS = [0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7];

/** Everything that the report holds, but the costly runs that leave a source out. */
export function measureRouter(
  fit: Fit,
  labels: readonly string[],
  data: MeasuringData,
  config: RouterConfig,
) {
  const { features } = trainingSet(data.valid, [], labels, config);
  const router = scoreRows(data.valid, routerProbabilities(fit.model, features), labels);
  const unquantised = scoreRows(data.valid, fit.unquantised(features), labels);
  const baseline = scoreRows(data.valid, baselineScores(data, labels), labels);
  const best = (prompts: readonly string[]): number[] =>
    bestLabels(routerProbabilities(fit.model, featureMatrix(prompts, config)), labels.length).map(
      (row) => row.probability,
    );
  const general = best(data.general.heldOut);
  return {
    rows: { train: data.train.length, valid: data.valid.length, general: data.general.train.length },
    router: { ...accuracyReport(router, labels.length), mcnemar: pairedTests(router, baseline) },
    beforeQuantisation: accuracyReport(unquantised, labels.length),
    baseline: accuracyReport(baseline, labels.length),
    perSpecialty: perSpecialty(router, labels),
    calibration: calibrationReport(router),
    thresholds: thresholdTable(router, best(data.unlabelled), general, THRESHOLDS),
    heldOutGeneralPrompts: data.general.heldOut.map((prompt, row) => ({ prompt, best: general[row] ?? 0 })),
  };
}

function baselineScores(data: MeasuringData, labels: readonly string[]): Float64Array {
  const targets = data.train.map((row) => labels.indexOf(row.specialty));
  const score = trainBaseline(
    data.train.map((row) => row.text),
    targets,
    labels.length,
  );
  return score(data.valid.map((row) => row.text));
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
