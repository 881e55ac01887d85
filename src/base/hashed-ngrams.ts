/**
 * Text to a sparse vector of hashed character n-grams: what the router reads. Trainer and edge must agree on it to the
 * last bit, and `base` is the only folder that both may import.
 */

export interface NgramOptions {
  /** A power of two. */
  readonly buckets: number;
  /** `orderWeights[n - 1]` scales the n-grams of order n; the length is the longest order. */
  readonly orderWeights: readonly number[];
}

/** A piece of the text with its own weight: counts of its n-grams are multiplied by it. */
export interface TextSegment {
  readonly text: string;
  readonly weight: number;
}

export interface SparseVector {
  /** Ascending, distinct. */
  readonly buckets: Int32Array;
  readonly values: Float32Array;
}

/** Width, case and spacing carry no meaning for routing. */
export function normaliseText(text: string): string {
  return text.normalize('NFKC').toLowerCase().replace(/\s+/gu, ' ').trim();
}

/**
 * Sublinear term frequencies of hashed n-grams: value = Σ over n-grams g in the bucket of orderWeight · tf(g), with
 * tf = count below one, else 1 + ln(count). N-grams are over code points, of the normalised text of each segment.
 */
export function hashNgrams(segments: readonly TextSegment[], options: NgramOptions): SparseVector {
  const mask = options.buckets - 1;
  const values = new Map<number, number>();
  for (const [index, orderWeight] of options.orderWeights.entries()) {
    if (orderWeight === 0) continue;
    for (const [hash, count] of countNgrams(segments, index + 1)) {
      const term = orderWeight * (count < 1 ? count : 1 + Math.log(count));
      const bucket = hash & mask;
      values.set(bucket, (values.get(bucket) ?? 0) + term);
    }
  }
  const buckets = Int32Array.from(values.keys()).sort();
  return { buckets, values: Float32Array.from(buckets, (bucket) => values.get(bucket) ?? 0) };
}

/** Counts by the full 32-bit hash: n-grams that differ share a count only where all 32 bits collide. */
function countNgrams(segments: readonly TextSegment[], order: number): Map<number, number> {
  const counts = new Map<number, number>();
  for (const segment of segments) {
    const points = Array.from(normaliseText(segment.text), (character) => character.codePointAt(0) ?? 0);
    for (let start = 0; start + order <= points.length; start++) {
      const hash = hashPoints(points, start, order);
      counts.set(hash, (counts.get(hash) ?? 0) + segment.weight);
    }
  }
  return counts;
}

/** FNV-1a over code points, then a finaliser, since the low bits of FNV alone are weak for short input. */
function hashPoints(points: readonly number[], start: number, order: number): number {
  let hash = 0x811c9dc5 ^ order;
  for (let at = start; at < start + order; at++) hash = Math.imul(hash ^ (points[at] ?? 0), 0x01000193);
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x21f0aaad);
  hash ^= hash >>> 15;
  hash = Math.imul(hash, 0x735a2d97);
  hash ^= hash >>> 15;
  return hash >>> 0;
}
