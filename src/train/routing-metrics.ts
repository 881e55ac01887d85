/**
 * How a gate shares its tokens, and whether its experts have collapsed: plain functions of what was read back. Entropies
 * and mutual information are in nats.
 */

/** Counts by row and column: specialties by experts. */
export type Counts = readonly (readonly number[])[];

/** Shares of a list of counts; zeros where nothing was counted. */
export function shares(counts: readonly number[]): number[] {
  const total = sum(counts);
  return counts.map((count) => (total > 0 ? count / total : 0));
}

/** −Σ p ln p of a distribution. */
export function entropy(probabilities: readonly number[]): number {
  return -sum(probabilities.map((p) => (p > 0 ? p * Math.log(p) : 0)));
}

/** Σ p(r,c) ln(p(r,c) / (p(r) p(c))): 0 where the column does not depend on the row. */
export function mutualInformation(counts: Counts): number {
  const rows = counts.map(sum);
  const columns = (counts[0] ?? []).map((_, c) => sum(counts.map((row) => row[c] ?? 0)));
  const total = sum(rows);
  if (total === 0) return 0;
  return sum(
    counts.flatMap((row, r) =>
      row.map((count, c) =>
        count > 0 ? (count / total) * Math.log((count * total) / (rows[r]! * columns[c]!)) : 0,
      ),
    ),
  );
}

/** A vector of length 1 and the expert it is of. */
export interface Point {
  readonly z: ArrayLike<number>;
  readonly expert: number;
}

/**
 * Mean silhouette of points by expert (Rousseeuw, 1987) with the distance 1 − cosine: near 1 where experts lie apart, 0
 * where they lie mixed. A point alone in its expert counts 0. Null where there are not two experts.
 */
export function silhouette(points: readonly Point[]): number | null {
  const members = byExpert(points);
  if (members.size < 2) return null;
  const scores = points.map((point) => {
    const own = members.get(point.expert)!;
    if (own.length < 2) return 0;
    const distances = (others: readonly Point[]): number =>
      sum(others.map((other) => 1 - cosine(point, other)));
    // A point's distance to itself is 0: it does not count.
    const inside = distances(own) / (own.length - 1);
    let nearest = Infinity;
    for (const [expert, others] of members) {
      if (expert !== point.expert) nearest = Math.min(nearest, distances(others) / others.length);
    }
    const largest = Math.max(inside, nearest);
    return largest > 0 ? (nearest - inside) / largest : 0;
  });
  return sum(scores) / scores.length;
}

/**
 * 1 − ‖mean of an expert's vectors‖², a mean over experts with two points: 0 where an expert says the same of every token,
 * 1 where it points everywhere. A contrastive loss that is low while this is 0 has learnt nothing of tokens. Null where no
 * expert has two points.
 */
export function withinVariance(points: readonly Point[]): number | null {
  const variances = [...byExpert(points).values()].flatMap((own) => {
    if (own.length < 2) return [];
    const mean = Array.from(own[0]!.z, (_, d) => sum(own.map(({ z }) => z[d]!)) / own.length);
    return [1 - sum(mean.map((value) => value * value))];
  });
  return variances.length > 0 ? sum(variances) / variances.length : null;
}

/** The vector at length 1; a zero stays zero. */
export function normalised(vector: readonly number[]): number[] {
  const length = Math.hypot(...vector);
  return length > 0 ? vector.map((value) => value / length) : [...vector];
}

function byExpert(points: readonly Point[]): Map<number, Point[]> {
  const members = new Map<number, Point[]>();
  for (const point of points) {
    const own = members.get(point.expert) ?? [];
    members.set(point.expert, own);
    own.push(point);
  }
  return members;
}

function cosine(a: Point, b: Point): number {
  let dot = 0;
  for (let d = 0; d < a.z.length; d++) dot += a.z[d]! * b.z[d]!;
  return dot;
}

function sum(values: readonly number[]): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
