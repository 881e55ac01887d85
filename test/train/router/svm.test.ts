import { describe, expect, it } from 'vitest';
import { createRandom } from '../../../src/base/random.ts';
import { fitCalibration, sigmoid } from '../../../src/train/router/calibration.ts';
import { linearScores, stackRows, type SparseMatrix } from '../../../src/train/router/sparse.ts';
import { NO_LABEL, trainSvm } from '../../../src/train/router/svm.ts';

const options = { cost: 1, maxEpochs: 2000, tolerance: 1e-9, seed: 1 };

function dense(rows: readonly (readonly number[])[]): SparseMatrix {
  const columns = rows[0]?.length ?? 0;
  const vectors = rows.map((row) => ({
    buckets: Int32Array.from(row, (_, column) => column),
    values: Float32Array.from(row),
  }));
  return stackRows(vectors, columns);
}

function randomProblem(): { matrix: SparseMatrix; targets: number[]; costs: Float32Array } {
  const random = createRandom(7);
  const rows = Array.from({ length: 40 }, () => [random.normal(), random.normal(), random.normal()]);
  const targets = rows.map(([a = 0, b = 0]) => (a + b + 0.5 * random.normal() > 0 ? 0 : 1));
  return { matrix: dense(rows), targets, costs: Float32Array.from(rows, (_, row) => 1 + (row % 3)) };
}

/** ½|w|² + C Σ costs_i max(0, 1 − y_i w·x_i)², the bias among w. */
function objective(
  matrix: SparseMatrix,
  weights: Float32Array,
  signs: readonly number[],
  costs: Float32Array,
): number {
  const scores = linearScores({ labels: 1, columns: matrix.columns, weights }, matrix);
  const norm = weights.reduce((sum, weight) => sum + weight * weight, 0) / 2;
  return scores.reduce(
    (sum, score, row) =>
      sum + (costs[row] ?? 1) * options.cost * Math.max(0, 1 - (signs[row] ?? 0) * score) ** 2,
    norm,
  );
}

describe('trainSvm', () => {
  it('reaches a minimum of the primal objective', () => {
    const { matrix, targets, costs } = randomProblem();
    const model = trainSvm(matrix, targets, 1, options, costs);
    const signs = targets.map((target) => (target === 0 ? 1 : -1));
    const reached = objective(matrix, model.weights, signs, costs);
    for (let at = 0; at < model.weights.length; at++) {
      for (const step of [-0.02, 0.02]) {
        const moved = model.weights.slice();
        moved[at] = (moved[at] ?? 0) + step;
        expect(objective(matrix, moved, signs, costs)).toBeGreaterThan(reached);
      }
    }
  });

  it('separates labels and scores rows of no label below zero', () => {
    const matrix = dense([
      [1, 0, 0],
      [0, 1, 0],
      [0, 0, 1],
    ]);
    const model = trainSvm(matrix, [0, 1, NO_LABEL], 2, { ...options, cost: 100 });
    const [a0, a1, b0, b1, c0, c1] = linearScores(model, matrix);
    expect(a0).toBeGreaterThan(0.9);
    expect(b1).toBeGreaterThan(0.9);
    for (const score of [a1, b0, c0, c1]) expect(score).toBeLessThan(-0.9);
  });

  it('gives the same weights for the same seed', () => {
    const { matrix, targets } = randomProblem();
    const quick = { ...options, maxEpochs: 3 };
    expect(trainSvm(matrix, targets, 2, quick).weights).toEqual(trainSvm(matrix, targets, 2, quick).weights);
  });
});

describe('fitCalibration', () => {
  it('recovers the logistic that made the outcomes', () => {
    const random = createRandom(3);
    const scores = Float64Array.from({ length: 20_000 }, () => random.normal());
    const positive = Array.from(scores, (score) => random.uniform() < sigmoid(2.5 * score - 1));
    const { slope, offset } = fitCalibration(scores, positive);
    expect(slope).toBeCloseTo(2.5, 0);
    expect(Math.abs(slope - 2.5)).toBeLessThan(0.15);
    expect(Math.abs(offset + 1)).toBeLessThan(0.1);
  });

  it('stays finite where scores separate the outcomes, and where there are no positives', () => {
    const separable = fitCalibration(Float64Array.of(-1, -1, 1, 1), [false, false, true, true]);
    expect(Number.isFinite(separable.slope + separable.offset)).toBe(true);
    expect(separable.slope).toBeGreaterThan(0);
    const none = fitCalibration(Float64Array.of(-1, 0, 1), [false, false, false]);
    expect(sigmoid(none.offset)).toBeLessThan(0.5);
  });
});
