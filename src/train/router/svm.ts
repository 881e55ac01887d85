/**
 * Linear support vector machine, one against the rest, by dual coordinate descent: Hsieh et al. 2008, "A Dual Coordinate
 * Descent Method for Large-scale Linear SVM", algorithm 1 with the squared hinge loss, as in liblinear's solver 1.
 * Differs: no shrinking; the bias is a column of ones, regularised like the others (liblinear's -B 1).
 */

import { createRandom, type Random } from '../../base/random.ts';
import type { LinearModel, SparseMatrix } from './sparse.ts';

export interface SvmOptions {
  /** C: the price of a margin violation. */
  readonly cost: number;
  readonly maxEpochs: number;
  /** Stops once the largest projected gradient of an epoch is below this. */
  readonly tolerance: number;
  readonly seed: number;
}

/** A row of a label list that belongs to none of the labels: a negative for all. */
export const NO_LABEL = -1;

/** Minimises ½|w|² + C Σ costs_i max(0, 1 − y_i w·x_i)² for each label. `costs` may be left out: all one. */
export function trainSvm(
  matrix: SparseMatrix,
  targets: readonly number[],
  labels: number,
  options: SvmOptions,
  costs?: Float32Array,
): LinearModel {
  const stride = matrix.columns + 1;
  const weights = new Float32Array(labels * stride);
  for (let label = 0; label < labels; label++) {
    const signs = Int8Array.from(targets, (target) => (target === label ? 1 : -1));
    const random = createRandom(options.seed + label);
    const problem = { matrix, signs, costs, options, random };
    solve(problem, weights.subarray(label * stride, (label + 1) * stride));
  }
  return { labels, columns: matrix.columns, weights };
}

interface Problem {
  readonly matrix: SparseMatrix;
  readonly signs: Int8Array;
  readonly costs: Float32Array | undefined;
  readonly options: SvmOptions;
  readonly random: Random;
}

function solve(problem: Problem, weights: Float32Array): void {
  const { matrix, signs, options } = problem;
  const alphas = new Float64Array(matrix.rows);
  const order = Array.from({ length: matrix.rows }, (_, row) => row);
  // The squared hinge adds 1/(2C) to the diagonal of the dual's matrix; the one is the bias column.
  const ridge = Float64Array.from(alphas, (_, row) => 1 / (2 * options.cost * (problem.costs?.[row] ?? 1)));
  const diagonal = Float64Array.from(ridge, (value, row) => value + 1 + squaredNorm(matrix, row));
  for (let epoch = 0; epoch < options.maxEpochs; epoch++) {
    problem.random.shuffle(order);
    let worst = 0;
    for (const row of order) {
      const sign = signs[row] ?? 0;
      const alpha = alphas[row] ?? 0;
      const gradient = sign * dotRow(matrix, row, weights) - 1 + alpha * (ridge[row] ?? 0);
      const projected = alpha === 0 ? Math.min(gradient, 0) : gradient;
      worst = Math.max(worst, Math.abs(projected));
      if (projected === 0) continue;
      const updated = Math.max(alpha - gradient / (diagonal[row] ?? 1), 0);
      alphas[row] = updated;
      addRow(matrix, row, (updated - alpha) * sign, weights);
    }
    if (worst < options.tolerance) return;
  }
}

function squaredNorm(matrix: SparseMatrix, row: number): number {
  let sum = 0;
  for (let at = matrix.offsets[row] ?? 0; at < (matrix.offsets[row + 1] ?? 0); at++) {
    sum += (matrix.values[at] ?? 0) ** 2;
  }
  return sum;
}

function dotRow(matrix: SparseMatrix, row: number, weights: Float32Array): number {
  let sum = weights[matrix.columns] ?? 0;
  const end = matrix.offsets[row + 1] ?? 0;
  for (let at = matrix.offsets[row] ?? 0; at < end; at++) {
    sum += (matrix.values[at] ?? 0) * (weights[matrix.indices[at] ?? 0] ?? 0);
  }
  return sum;
}

function addRow(matrix: SparseMatrix, row: number, factor: number, weights: Float32Array): void {
  weights[matrix.columns] = (weights[matrix.columns] ?? 0) + factor;
  const end = matrix.offsets[row + 1] ?? 0;
  for (let at = matrix.offsets[row] ?? 0; at < end; at++) {
    const column = matrix.indices[at] ?? 0;
    weights[column] = (weights[column] ?? 0) + factor * (matrix.values[at] ?? 0);
  }
}
