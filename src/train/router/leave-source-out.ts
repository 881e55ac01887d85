/**
 * Accuracy on each source by models that never saw it: what is left when a source's habits cannot help. The baseline
 * goes through the same, so that the numbers have something beside them.
 */

import type { Logger } from '../../base/logger.ts';
import { trainBaseline } from './baseline.ts';
import type { RouterConfig } from './config.ts';
import type { RouterRow } from './data.ts';
import { fitRouter, routerProbabilities, subset, trainingSet, type TrainingSet } from './fit.ts';
import { bestLabels } from './report.ts';
import { proportion, type Proportion } from '../../base/proportion.ts';
import { mcnemar, type PairedTest } from './statistics.ts';

export interface LeftOutSource {
  readonly source: string;
  readonly all: Proportion;
  readonly gold: Proportion | null;
  readonly baselineAll: Proportion;
  readonly baselineGold: Proportion | null;
  readonly mcnemarAll: PairedTest;
}

export function leaveSourcesOut(
  rows: readonly RouterRow[],
  labels: readonly string[],
  config: RouterConfig,
  logger: Logger,
): LeftOutSource[] {
  const whole = trainingSet(rows, [], labels, config);
  const sources = [...new Set(rows.map((row) => row.source))].sort();
  return sources.map((source) => {
    const result = leaveOut(source, rows, whole, labels, config);
    logger.info({ source, accuracy: result.all.accuracy }, 'router: left one source out');
    return result;
  });
}

function leaveOut(
  source: string,
  rows: readonly RouterRow[],
  whole: TrainingSet,
  labels: readonly string[],
  config: RouterConfig,
): LeftOutSource {
  const inside = rows.flatMap((row, index) => (row.source === source ? [index] : []));
  const outside = rows.flatMap((row, index) => (row.source === source ? [] : [index]));
  const training = subset(whole, outside);
  const testing = subset(whole, inside);
  // Two folds are enough where only the best label is read.
  const { model } = fitRouter(training, labels, { ...config, calibrationFolds: 2 });
  const router = bestLabels(routerProbabilities(model, testing.features), labels.length);
  const text = (index: number): string => rows[index]?.text ?? '';
  const baselineScores = trainBaseline(outside.map(text), training.targets, labels.length);
  const baseline = bestLabels(baselineScores(inside.map(text)), labels.length);

  const right = (found: readonly { best: number }[]): boolean[] =>
    testing.targets.map((target, at) => found[at]?.best === target);
  const ofGold = (outcomes: readonly boolean[]): Proportion | null => {
    const kept = outcomes.filter((_, at) => rows[inside[at] ?? 0]?.gold);
    return kept.length === 0 ? null : proportion(kept);
  };
  return {
    source,
    all: proportion(right(router)),
    gold: ofGold(right(router)),
    baselineAll: proportion(right(baseline)),
    baselineGold: ofGold(right(baseline)),
    mcnemarAll: mcnemar(right(router), right(baseline)),
  };
}
