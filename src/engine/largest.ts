/** Which entries of an array are largest, without sorting all of it. Largest first, ties by lower index. */

type Values = Float32Array | Float64Array;

/** Beyond this many, sorting everything is quicker than inserting one by one. */
const insertAtMost = 64;

/** Indexes of the `count` largest. */
export function largest(values: Values, count: number): number[] {
  if (count > insertAtMost) return atLeast(values, -Infinity).slice(0, count);
  const best: number[] = [];
  let threshold = -Infinity;
  for (let v = 0; v < values.length; v++) {
    const value = values[v]!;
    if (best.length === count && !(value > threshold)) continue;
    let at = best.length;
    while (at > 0 && values[best[at - 1]!]! < value) at -= 1;
    best.splice(at, 0, v);
    if (best.length > count) best.pop();
    threshold = values[best[best.length - 1]!]!;
  }
  return best;
}

/** Indexes of all entries that are at least `floor`. */
export function atLeast(values: Values, floor: number): number[] {
  const found: number[] = [];
  for (let v = 0; v < values.length; v++) if (values[v]! >= floor) found.push(v);
  return found.sort((a, b) => values[b]! - values[a]! || a - b);
}
