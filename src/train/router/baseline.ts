/**
 * The baseline that the router is held against by a paired test: TF-IDF of character 1–3-grams, an exact vocabulary of
 * at most 300,000, and the same support vector machine on it. Far too big for the edge.
 */

import { normaliseText } from '../../base/hashed-ngrams.ts';
import type { SparseVector } from '../../base/hashed-ngrams.ts';
import { inverseDocumentFrequency, linearScores, stackRows, weightAndNormalise } from './sparse.ts';
import { trainSvm } from './svm.ts';

const LONGEST_NGRAM = 3;
const VOCABULARY = 300_000;
const SVM = { cost: 1, maxEpochs: 100, tolerance: 0.01, seed: 1 };

/** Trains on the given texts; the result scores others: [texts, labels]. */
export function trainBaseline(
  texts: readonly string[],
  targets: readonly number[],
  labels: number,
): (texts: readonly string[]) => Float64Array {
  const counts = texts.map(countNgrams);
  const vocabulary = mostFrequent(counts);
  const matrixOf = (rows: readonly Map<string, number>[]) =>
    stackRows(
      rows.map((row) => toVector(row, vocabulary)),
      vocabulary.size,
    );
  const raw = matrixOf(counts);
  const idf = inverseDocumentFrequency(raw, 1);
  const model = trainSvm(weightAndNormalise(raw, idf), targets, labels, SVM);
  return (others) => linearScores(model, weightAndNormalise(matrixOf(others.map(countNgrams)), idf));
}

function countNgrams(text: string): Map<string, number> {
  const characters = Array.from(normaliseText(text));
  const counts = new Map<string, number>();
  for (let length = 1; length <= LONGEST_NGRAM; length++) {
    for (let start = 0; start + length <= characters.length; start++) {
      const ngram = characters.slice(start, start + length).join('');
      counts.set(ngram, (counts.get(ngram) ?? 0) + 1);
    }
  }
  return counts;
}

function mostFrequent(rows: readonly Map<string, number>[]): Map<string, number> {
  const totals = new Map<string, number>();
  for (const row of rows) {
    for (const [ngram, count] of row) totals.set(ngram, (totals.get(ngram) ?? 0) + count);
  }
  const kept = [...totals].sort((a, b) => b[1] - a[1]).slice(0, VOCABULARY);
  return new Map(kept.map(([ngram], index) => [ngram, index]));
}

function toVector(
  counts: ReadonlyMap<string, number>,
  vocabulary: ReadonlyMap<string, number>,
): SparseVector {
  const entries: [number, number][] = [];
  for (const [ngram, count] of counts) {
    const column = vocabulary.get(ngram);
    if (column !== undefined) entries.push([column, 1 + Math.log(count)]);
  }
  entries.sort((a, b) => a[0] - b[0]);
  return {
    buckets: Int32Array.from(entries, ([column]) => column),
    values: Float32Array.from(entries, ([, value]) => value),
  };
}
