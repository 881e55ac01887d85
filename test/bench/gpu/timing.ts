/** Medians of repeated measurements, with their range: what a machine does besides shows in the range alone. */

/** Milliseconds, or whatever was measured. */
export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
  readonly rounds: number;
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { median, least: Math.min(...sorted), most: Math.max(...sorted), rounds: sorted.length };
}

/** All of one thing measured in every round, or null where some round could not. */
export function spreadOfAll(values: readonly (number | null)[]): Spread | null {
  const known = values.filter((value) => value !== null);
  return known.length === values.length ? spreadOf(known) : null;
}

/** One uncounted round, then `rounds`; in each round the arms take turns, so that drift falls on all of them. */
export async function alternate<T>(
  arms: readonly (() => Promise<T>)[],
  rounds: number,
): Promise<readonly T[][]> {
  const results = arms.map((): T[] => []);
  for (let round = -1; round < rounds; round++) {
    for (const [index, run] of arms.entries()) {
      const result = await run();
      if (round >= 0) results[index]!.push(result);
    }
  }
  return results;
}
