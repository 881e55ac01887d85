/** Trains a router on rows of text: features, support vector machine, calibration on unseen folds, byte codes. */

import { hashNgrams, type NgramOptions } from '../../base/hashed-ngrams.ts';
import { createRandom } from '../../base/random.ts';
import { fitCalibration, sigmoid, type Calibration } from './calibration.ts';
import type { RouterConfig } from './config.ts';
import type { RouterRow } from './data.ts';
import { dequantise, quantiseIdf, quantiseModel, type RouterModel } from './model.ts';
import {
  inverseDocumentFrequency,
  linearScores,
  stackRows,
  takeRows,
  weightAndNormalise,
  type SparseMatrix,
} from './sparse.ts';
import { NO_LABEL, trainSvm } from './svm.ts';

/** Term frequencies of texts, before any weighting: computed once and used for many fits. */
export function featureMatrix(texts: readonly string[], config: RouterConfig): SparseMatrix {
  const options = ngramOptions(config);
  const vectors = texts.map((text) => hashNgrams([{ text, weight: 1 }], options));
  return stackRows(vectors, options.buckets);
}

function ngramOptions(config: RouterConfig): NgramOptions {
  return { buckets: 2 ** config.bucketBits, orderWeights: config.orderWeights };
}

export interface TrainingSet {
  readonly features: SparseMatrix;
  /** Index of the label, or NO_LABEL for a general prompt. */
  readonly targets: readonly number[];
  /** How much a violation of the row's margin costs. */
  readonly costs: Float32Array;
}

export function trainingSet(
  rows: readonly RouterRow[],
  general: readonly string[],
  labels: readonly string[],
  config: RouterConfig,
): TrainingSet {
  const features = featureMatrix([...rows.map((row) => row.text), ...general], config);
  const targets = [...rows.map((row) => labels.indexOf(row.specialty)), ...general.map(() => NO_LABEL)];
  const costs = [
    ...rows.map((row) => (row.gold ? config.goldCost : 1)),
    ...general.map(() => config.generalCost),
  ];
  return { features, targets, costs: Float32Array.from(costs) };
}

export function subset(set: TrainingSet, rows: readonly number[]): TrainingSet {
  return {
    features: takeRows(set.features, rows),
    targets: rows.map((row) => set.targets[row] ?? NO_LABEL),
    costs: Float32Array.from(rows, (row) => set.costs[row] ?? 1),
  };
}

export interface Fit {
  readonly model: RouterModel;
  /** The same before its weights became bytes, to see what that cost. */
  readonly unquantised: (features: SparseMatrix) => Float64Array;
}

export function fitRouter(set: TrainingSet, labels: readonly string[], config: RouterConfig): Fit {
  const idf = quantiseIdf(inverseDocumentFrequency(set.features, config.minDocumentFrequency));
  const weighted = { ...set, features: weightAndNormalise(set.features, Float32Array.from(idf)) };
  const linear = trainSvm(weighted.features, set.targets, labels.length, config, set.costs);
  const calibrations = crossCalibrate(weighted, labels.length, config);
  const unquantised = (features: SparseMatrix): Float64Array =>
    linearScores(linear, weightAndNormalise(features, Float32Array.from(idf)));
  return { model: quantiseModel(labels, idf, linear, calibrations), unquantised };
}

/** Probabilities [rows, labels] of the shipped model, many rows at once. */
export function routerProbabilities(model: RouterModel, features: SparseMatrix): Float64Array {
  const matrix = weightAndNormalise(features, Float32Array.from(model.idf));
  return linearScores(dequantise(model), matrix).map(sigmoid);
}

/** Scores every row by a model that was trained without it, then fits each label's calibration on all of them. */
function crossCalibrate(set: TrainingSet, labels: number, config: RouterConfig): Calibration[] {
  const random = createRandom(config.seed);
  const folds = set.targets.map(() => random.integer(config.calibrationFolds));
  const scores = Array.from({ length: labels }, () => new Float64Array(folds.length));
  for (let fold = 0; fold < config.calibrationFolds; fold++) {
    const inside = folds.flatMap((of, row) => (of === fold ? [row] : []));
    const outside = folds.flatMap((of, row) => (of === fold ? [] : [row]));
    const { features, targets, costs } = subset(set, outside);
    const linear = trainSvm(features, targets, labels, config, costs);
    const found = linearScores(linear, takeRows(set.features, inside));
    for (const [at, row] of inside.entries()) {
      for (const [label, column] of scores.entries()) column[row] = found[at * labels + label] ?? 0;
    }
  }
  return scores.map((column, label) =>
    fitCalibration(
      column,
      set.targets.map((target) => target === label),
    ),
  );
}
