/** What is measured about a trained router, as plain data: docs/results/router.json holds it. */

import { invariant } from '../../base/invariant.ts';
import { createRandom } from '../../base/random.ts';
import { proportion, type Proportion } from '../../base/proportion.ts';
import { mcnemar, reliability, type PairedTest } from './statistics.ts';

export interface ScoredRow {
  readonly source: string;
  readonly gold: boolean;
  readonly target: number;
  /** Index of the best label, and its probability or score. */
  readonly best: number;
  readonly probability: number;
}

/** Picks the best label of every row of scores [rows, labels]. */
export function bestLabels(scores: Float64Array, labels: number): { best: number; probability: number }[] {
  invariant(scores.length % labels === 0, 'scores hold whole rows');
  return Array.from({ length: scores.length / labels }, (_, row) => {
    const of = scores.subarray(row * labels, (row + 1) * labels);
    const best = of.reduce((most, score, label) => (score > (of[most] ?? -Infinity) ? label : most), 0);
    return { best, probability: of[best] ?? 0 };
  });
}

const isRight = (row: ScoredRow): boolean => row.best === row.target;

export interface AccuracyReport {
  readonly gold: Proportion;
  readonly all: Proportion;
  /** Mean of the recalls of the specialties, so that each counts alike. */
  readonly macroAll: { readonly mean: number; readonly interval: readonly [number, number] };
  /** Over the specialties with at least `MACRO_ROWS` gold rows. */
  readonly macroGold: {
    readonly mean: number;
    readonly interval: readonly [number, number];
    readonly specialties: number;
  };
}

const MACRO_ROWS = 10;
const BOOTSTRAP_SAMPLES = 1000;

export function accuracyReport(rows: readonly ScoredRow[], labels: number): AccuracyReport {
  const gold = rows.filter((row) => row.gold);
  const goldGroups = groupByTarget(gold, labels).filter((group) => group.length >= MACRO_ROWS);
  return {
    gold: proportion(gold.map(isRight)),
    all: proportion(rows.map(isRight)),
    macroAll: macroAverage(groupByTarget(rows, labels).filter((group) => group.length > 0)),
    macroGold: { ...macroAverage(goldGroups), specialties: goldGroups.length },
  };
}

export function perSpecialty(rows: readonly ScoredRow[], labels: readonly string[]) {
  return labels.map((specialty, label) => {
    const mine = rows.filter((row) => row.target === label);
    const predicted = rows.filter((row) => row.best === label);
    return {
      specialty,
      recallAll: proportion(mine.map(isRight)),
      recallGold: proportion(mine.filter((row) => row.gold).map(isRight)),
      precisionAll: proportion(predicted.map(isRight)),
    };
  });
}

function groupByTarget(rows: readonly ScoredRow[], labels: number): boolean[][] {
  return Array.from({ length: labels }, (_, label) =>
    rows.filter((row) => row.target === label).map(isRight),
  );
}

const recall = (group: readonly boolean[]): number => group.filter(Boolean).length / group.length;
const average = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
const shareBelow = (values: readonly number[], threshold: number): number =>
  values.filter((value) => value < threshold).length / values.length;

/** Percentile bootstrap within each specialty. */
function macroAverage(groups: readonly boolean[][]): { mean: number; interval: readonly [number, number] } {
  const random = createRandom(1);
  const samples = Array.from({ length: BOOTSTRAP_SAMPLES }, () =>
    average(groups.map((group) => recall(group.map(() => group[random.integer(group.length)] ?? false)))),
  ).sort((a, b) => a - b);
  const at = (share: number): number => samples[Math.floor(share * (samples.length - 1))] ?? 0;
  return { mean: average(groups.map(recall)), interval: [at(0.025), at(0.975)] };
}

export function pairedTests(
  model: readonly ScoredRow[],
  baseline: readonly ScoredRow[],
): { gold: PairedTest; all: PairedTest } {
  const test = (keep: (row: ScoredRow) => boolean): PairedTest =>
    mcnemar(model.filter(keep).map(isRight), baseline.filter(keep).map(isRight));
  return { gold: test((row) => row.gold), all: test(() => true) };
}

export function calibrationReport(rows: readonly ScoredRow[]) {
  const of = (kept: readonly ScoredRow[]) =>
    reliability(
      kept.map((row) => row.probability),
      kept.map(isRight),
    );
  return { gold: of(rows.filter((row) => row.gold)), all: of(rows) };
}

export interface ThresholdRow {
  readonly threshold: number;
  /** Shares of these prompts whose best probability is below the threshold. */
  readonly goldToGeneral: number;
  readonly allToGeneral: number;
  readonly unlabelledToGeneral: number;
  readonly generalToGeneral: number;
  /** Accuracy on the rows that are left. */
  readonly goldAccuracyAbove: number;
  readonly allAccuracyAbove: number;
}

export function thresholdTable(
  rows: readonly ScoredRow[],
  unlabelled: readonly number[],
  general: readonly number[],
  thresholds: readonly number[],
): ThresholdRow[] {
  const gold = rows.filter((row) => row.gold);
  const above = (kept: readonly ScoredRow[], threshold: number): number =>
    proportion(kept.filter((row) => row.probability >= threshold).map(isRight)).accuracy;
  const probabilities = (kept: readonly ScoredRow[]): number[] => kept.map((row) => row.probability);
  return thresholds.map((threshold) => ({
    threshold,
    goldToGeneral: shareBelow(probabilities(gold), threshold),
    allToGeneral: shareBelow(probabilities(rows), threshold),
    unlabelledToGeneral: shareBelow(unlabelled, threshold),
    generalToGeneral: shareBelow(general, threshold),
    goldAccuracyAbove: above(gold, threshold),
    allAccuracyAbove: above(rows, threshold),
  }));
}
