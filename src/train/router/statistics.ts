/** The statistics of the router's report: the paired test, calibration error. */

export interface PairedTest {
  readonly onlyFirstRight: number;
  readonly onlySecondRight: number;
  /** Exact two-sided McNemar: binomial(n, ½) over the rows where only one is right. */
  readonly p: number;
}

export function mcnemar(first: readonly boolean[], second: readonly boolean[]): PairedTest {
  const onlyFirstRight = first.filter((right, row) => right && second[row] === false).length;
  const onlySecondRight = second.filter((right, row) => right && first[row] === false).length;
  const n = onlyFirstRight + onlySecondRight;
  const few = Math.min(onlyFirstRight, onlySecondRight);
  let logTerm = -n * Math.LN2;
  let tail = 0;
  for (let k = 0; k <= few; k++) {
    tail += Math.exp(logTerm);
    logTerm += Math.log(n - k) - Math.log(k + 1);
  }
  return { onlyFirstRight, onlySecondRight, p: Math.min(1, 2 * tail) };
}

export interface ReliabilityBin {
  readonly from: number;
  readonly to: number;
  readonly rows: number;
  readonly meanProbability: number;
  readonly observed: number;
}

/** Ten equal bins of [0, 1] and the expected calibration error over them. */
export function reliability(
  probabilities: readonly number[],
  outcomes: readonly boolean[],
): { expectedCalibrationError: number; bins: ReliabilityBin[] } {
  const bins: ReliabilityBin[] = [];
  let error = 0;
  for (let bin = 0; bin < 10; bin++) {
    const rows = probabilities.flatMap((value, row) =>
      Math.min(9, Math.floor(value * 10)) === bin ? [row] : [],
    );
    if (rows.length === 0) continue;
    const meanProbability = rows.reduce((sum, row) => sum + (probabilities[row] ?? 0), 0) / rows.length;
    const observed = rows.filter((row) => outcomes[row]).length / rows.length;
    error += (rows.length / probabilities.length) * Math.abs(meanProbability - observed);
    bins.push({ from: bin / 10, to: (bin + 1) / 10, rows: rows.length, meanProbability, observed });
  }
  return { expectedCalibrationError: error, bins };
}
