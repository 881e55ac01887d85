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
  type LinearModel,
  type SparseMatrix,
} from './sparse.ts';
import { NO_LABEL, trainSvm } from './svm.ts';

/** Term frequencies of texts, before any weighting: computed once and used for many fits. */
export function featureMatrix(texts: readonly string[], config: RouterConfig): SparseMatrix {
  const options = ngramOptions(config);
  const vectors = texts.map((text) => hashNgrams([{ text, weight: 1 }], options));
  return stackRows(vectors, options.buckets);
}

export function ngramOptions(config: RouterConfig): NgramOptions {
  return { buckets: 2 ** config.bucketBits, orderWeights: config.orderWeights };
}

export interface TrainingSet {
  readonly features: SparseMatrix;
  /** Index of the label, or NO_LABEL for a general prompt. */
  readonly targets: readonly number[];
}

export function trainingSet(
  rows: readonly RouterRow[],
  general: readonly string[],
  labels: readonly string[],
  config: RouterConfig,
): TrainingSet {
  const features = featureMatrix([...rows.map((row) => row.text), ...general], config);
  const targets = [...rows.map((row) => labels.indexOf(row.specialty)), ...general.map(() => NO_LABEL)];
  return { features, targets };
}

export function subset(set: TrainingSet, rows: readonly number[]): TrainingSet {
  return { features: takeRows(set.features, rows), targets: rows.map((row) => set.targets[row] ?? NO_LABEL) };
}

export interface Fit {
  readonly model: RouterModel;
  /** The same before its weights became bytes, to see what that cost. */
  readonly unquantised: (features: SparseMatrix) => Float64Array;
}

export function fitRouter(set: TrainingSet, labels: readonly string[], config: RouterConfig): Fit {
  const idf = quantiseIdf(inverseDocumentFrequency(set.features, config.minDocumentFrequency));
  const matrix = weightAndNormalise(set.features, Float32Array.from(idf));
  const linear = trainLinear(matrix, set.targets, labels.length, config);
  const calibrations = crossCalibrate(matrix, set.targets, labels.length, config);
  const unquantised = (features: SparseMatrix): Float64Array =>
    linearScores(linear, weightAndNormalise(features, Float32Array.from(idf)));
  return { model: quantiseModel(labels, idf, linear, calibrations), unquantised };
}

/** Probabilities [rows, labels] of the shipped model, many rows at once. */
export function routerProbabilities(model: RouterModel, features: SparseMatrix): Float64Array {
  const matrix = weightAndNormalise(features, Float32Array.from(model.idf));
  return linearScores(dequantise(model), matrix).map(sigmoid);
}

function trainLinear(
  matrix: SparseMatrix,
  targets: readonly number[],
  labels: number,
  config: RouterConfig,
): LinearModel {
  const costs = Float32Array.from(targets, (target) => (target === NO_LABEL ? config.generalCost : 1));
  return trainSvm(matrix, targets, labels, config, costs);
}

/** Scores every row by a model that was trained without it, then fits each label's calibration on all of them. */
function crossCalibrate(
  matrix: SparseMatrix,
  targets: readonly number[],
  labels: number,
  config: RouterConfig,
): Calibration[] {
  const random = createRandom(config.seed);
  const folds = targets.map(() => random.integer(config.calibrationFolds));
  const scores = Array.from({ length: labels }, () => new Float64Array(targets.length));
  for (let fold = 0; fold < config.calibrationFolds; fold++) {
    const inside = targets.flatMap((_, row) => (folds[row] === fold ? [row] : []));
    const outside = targets.flatMap((_, row) => (folds[row] === fold ? [] : [row]));
    const kept = outside.map((row) => targets[row] ?? NO_LABEL);
    const linear = trainLinear(takeRows(matrix, outside), kept, labels, config);
    const found = linearScores(linear, takeRows(matrix, inside));
    for (const [at, row] of inside.entries()) {
      for (const [label, column] of scores.entries()) column[row] = found[at * labels + label] ?? 0;
    }
  }
  return scores.map((column, label) =>
    fitCalibration(
      column,
      targets.map((target) => target === label),
    ),
  );
}
