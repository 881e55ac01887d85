/**
 * Accuracy on each source by models that never saw it: what is left when a source's habits cannot help. The baseline
 * goes through the same, so that the numbers have something beside them.
 */

import type { Logger } from '../../base/logger.ts';
import { trainBaseline } from './baseline.ts';
import type { RouterConfig } from './config.ts';
import type { RouterRow } from './data.ts';
import { fitRouter, routerProbabilities, type TrainingSet } from './fit.ts';
import { bestLabels } from './report.ts';
import { stackRows, type SparseMatrix } from './sparse.ts';
import { mcnemar, proportion, type PairedTest, type Proportion } from './statistics.ts';

export interface LeftOutSource {
  readonly source: string;
  readonly all: Proportion;
  readonly gold: Proportion | null;
  readonly baselineAll: Proportion;
  readonly baselineGold: Proportion | null;
  readonly mcnemarAll: PairedTest;
}

interface LabelledRows {
  readonly rows: readonly RouterRow[];
  /** Features of the rows, in pieces, in their order. */
  readonly sets: readonly TrainingSet[];
}

export function leaveSourcesOut(
  data: LabelledRows,
  labels: readonly string[],
  config: RouterConfig,
  logger: Logger,
): LeftOutSource[] {
  const whole = joinSets(data.sets);
  const sources = [...new Set(data.rows.map((row) => row.source))].sort();
  return sources.map((source) => {
    const result = leaveOut(source, data.rows, whole, labels, config);
    logger.info({ source, accuracy: result.all.accuracy }, 'router: left one source out');
    return result;
  });
}

function leaveOut(
  source: string,
  rows: readonly RouterRow[],
  whole: PickableSet,
  labels: readonly string[],
  config: RouterConfig,
): LeftOutSource {
  const inside = rows.flatMap((row, index) => (row.source === source ? [index] : []));
  const outside = rows.flatMap((row, index) => (row.source === source ? [] : [index]));
  const training = whole.pick(outside);
  const { model } = fitRouter(training, labels, config);
  const router = bestLabels(routerProbabilities(model, whole.pick(inside).features), labels.length);
  const text = (index: number): string => rows[index]?.text ?? '';
  const baselineScores = trainBaseline(outside.map(text), training.targets, labels.length);
  const baseline = bestLabels(baselineScores(inside.map(text)), labels.length);

  const targets = whole.pick(inside).targets;
  const right = (found: readonly { best: number }[]): boolean[] =>
    targets.map((target, at) => found[at]?.best === target);
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

interface PickableSet {
  pick(rows: readonly number[]): TrainingSet;
}

function joinSets(sets: readonly TrainingSet[]): PickableSet {
  const places = sets.flatMap((set) =>
    set.targets.map((target, row) => ({ features: set.features, target, row })),
  );
  return {
    pick(rows) {
      const picked = rows.flatMap((row) => places[row] ?? []);
      const columns = sets[0]?.features.columns ?? 0;
      const vectors = picked.map(({ features, row }) => rowOf(features, row));
      return { features: stackRows(vectors, columns), targets: picked.map(({ target }) => target) };
    },
  };
}

function rowOf(features: SparseMatrix, row: number) {
  return {
    buckets: features.indices.subarray(features.offsets[row], features.offsets[row + 1]),
    values: features.values.subarray(features.offsets[row], features.offsets[row + 1]),
  };
}
