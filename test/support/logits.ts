/** Comparing logits. */

/** Largest absolute difference; NaN anywhere counts as infinite. */
export function largestDifference(
  actual: readonly ArrayLike<number>[],
  expected: readonly ArrayLike<number>[],
): number {
  if (actual.length !== expected.length) throw new Error(`${actual.length} rows against ${expected.length}`);
  let largest = 0;
  for (const [row, values] of expected.entries()) {
    const others = actual[row];
    if (others?.length !== values.length) throw new Error(`row ${row} has another length`);
    for (let i = 0; i < values.length; i++) {
      const difference = Math.abs(others[i]! - values[i]!);
      largest = Math.max(largest, Number.isNaN(difference) ? Infinity : difference);
    }
  }
  return largest;
}
