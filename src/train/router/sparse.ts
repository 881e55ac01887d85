/** Rows of sparse features in one compressed matrix: what both support vector machines train on. */

import type { SparseVector } from '../../base/hashed-ngrams.ts';
import { invariant } from '../../base/invariant.ts';

/** Compressed sparse rows: row i holds entries offsets[i] to offsets[i + 1]. */
export interface SparseMatrix {
  readonly rows: number;
  readonly columns: number;
  readonly offsets: Int32Array;
  readonly indices: Int32Array;
  readonly values: Float32Array;
}

export function stackRows(vectors: readonly SparseVector[], columns: number): SparseMatrix {
  const offsets = new Int32Array(vectors.length + 1);
  for (const [row, vector] of vectors.entries())
    offsets[row + 1] = (offsets[row] ?? 0) + vector.buckets.length;
  const entries = offsets[vectors.length] ?? 0;
  const indices = new Int32Array(entries);
  const values = new Float32Array(entries);
  for (const [row, vector] of vectors.entries()) {
    indices.set(vector.buckets, offsets[row]);
    values.set(vector.values, offsets[row]);
  }
  return { rows: vectors.length, columns, offsets, indices, values };
}

export function takeRows(matrix: SparseMatrix, rows: readonly number[]): SparseMatrix {
  const vectors = rows.map((row) => ({
    buckets: matrix.indices.subarray(matrix.offsets[row], matrix.offsets[row + 1]),
    values: matrix.values.subarray(matrix.offsets[row], matrix.offsets[row + 1]),
  }));
  return stackRows(vectors, matrix.columns);
}

/** Smooth inverse document frequency, ln((1 + n) / (1 + df)) + 1; zero for columns in fewer than `minimum` rows. */
export function inverseDocumentFrequency(matrix: SparseMatrix, minimum: number): Float32Array {
  const frequency = new Int32Array(matrix.columns);
  for (const column of matrix.indices) frequency[column] = (frequency[column] ?? 0) + 1;
  return Float32Array.from(frequency, (df) =>
    df < minimum ? 0 : Math.log((1 + matrix.rows) / (1 + df)) + 1,
  );
}

/** Multiplies columns by `columnWeights` and brings every row to unit length. */
export function weightAndNormalise(matrix: SparseMatrix, columnWeights: Float32Array): SparseMatrix {
  invariant(columnWeights.length === matrix.columns, 'one weight a column');
  const values = new Float32Array(matrix.values.length);
  for (let row = 0; row < matrix.rows; row++) {
    const from = matrix.offsets[row] ?? 0;
    const to = matrix.offsets[row + 1] ?? 0;
    let squares = 0;
    for (let at = from; at < to; at++) {
      const value = (matrix.values[at] ?? 0) * (columnWeights[matrix.indices[at] ?? 0] ?? 0);
      values[at] = value;
      squares += value * value;
    }
    const scale = squares > 0 ? 1 / Math.sqrt(squares) : 0;
    for (let at = from; at < to; at++) values[at] = (values[at] ?? 0) * scale;
  }
  return { ...matrix, values };
}

/** One linear function a label: `weights[label * (columns + 1) + column]`, the bias last. */
export interface LinearModel {
  readonly labels: number;
  readonly columns: number;
  readonly weights: Float32Array;
}

/** Scores [rows, labels]. */
export function linearScores(model: LinearModel, matrix: SparseMatrix): Float64Array {
  const scores = new Float64Array(matrix.rows * model.labels);
  const stride = model.columns + 1;
  for (let row = 0; row < matrix.rows; row++) {
    for (let label = 0; label < model.labels; label++) {
      let score = model.weights[label * stride + model.columns] ?? 0;
      for (let at = matrix.offsets[row] ?? 0; at < (matrix.offsets[row + 1] ?? 0); at++) {
        score += (model.weights[label * stride + (matrix.indices[at] ?? 0)] ?? 0) * (matrix.values[at] ?? 0);
      }
      scores[row * model.labels + label] = score;
    }
  }
  return scores;
}
