/** From probabilities to the shards of a request: a pure function, so that policy can be read, tested and measured. */

import type { ShardChoice, SpecialtyProbability } from './types.ts';

export interface SelectionPolicy {
  /** Below this best probability a prompt is unclear and goes to the general path. */
  readonly threshold: number;
  /** A second or third specialty joins when its probability reaches this share of the best one's, ... */
  readonly joinShare: number;
  /** ... and this floor. */
  readonly joinFloor: number;
  /** 1 to 3. */
  readonly maxShards: number;
  /** What an unclear prompt gets: no shard (the base alone), or the named shard. */
  readonly general: { readonly kind: 'base' } | { readonly kind: 'shard'; readonly specialty: string };
}

/** Priors are quantised to eighths, because they are part of every cache key downstream. */
const PRIOR_STEPS = 8;

/**
 * The shards for a prompt, best first; empty means the base alone.
 * `available` names the specialties that have an active shard: others are skipped, as if the router did not know them.
 */
export function selectShards(
  specialties: readonly SpecialtyProbability[],
  policy: SelectionPolicy,
  available?: ReadonlySet<string>,
): ShardChoice[] {
  const ranked = [...specialties].sort((a, b) => b.probability - a.probability);
  const best = ranked[0];
  if (best === undefined || best.probability < policy.threshold) return generalPath(policy, available);
  const chosen = ranked
    .filter((entry) => isAvailable(entry.specialty, available))
    .filter((entry) => entry === best || joins(entry, best, policy))
    .slice(0, policy.maxShards);
  // A clear prompt for a specialty without a shard is answered like an unclear one, not by a lesser guess.
  if (!chosen.includes(best)) return generalPath(policy, available);
  const priors = quantisePriors(chosen.map((entry) => entry.probability));
  return chosen.map((entry, index) => ({ specialty: entry.specialty, prior: priors[index] ?? 0 }));
}

function joins(entry: SpecialtyProbability, best: SpecialtyProbability, policy: SelectionPolicy): boolean {
  return entry.probability >= policy.joinFloor && entry.probability >= policy.joinShare * best.probability;
}

function isAvailable(specialty: string, available: ReadonlySet<string> | undefined): boolean {
  return available === undefined || available.has(specialty);
}

function generalPath(policy: SelectionPolicy, available: ReadonlySet<string> | undefined): ShardChoice[] {
  if (policy.general.kind === 'base' || !isAvailable(policy.general.specialty, available)) return [];
  return [{ specialty: policy.general.specialty, prior: 1 }];
}

/** Largest remainders over eighths, each at least one eighth: the result sums to exactly 1. */
export function quantisePriors(weights: readonly number[]): number[] {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const exact = weights.map((weight) =>
    total > 0 ? (weight / total) * PRIOR_STEPS : PRIOR_STEPS / weights.length,
  );
  const steps = exact.map((value) => Math.max(1, Math.floor(value)));
  const spent = (): number => steps.reduce((sum, step) => sum + step, 0);
  while (spent() !== PRIOR_STEPS) {
    const direction = spent() < PRIOR_STEPS ? 1 : -1;
    const index = furthest(exact, steps, direction);
    steps[index] = (steps[index] ?? 0) + direction;
  }
  return steps.map((step) => step / PRIOR_STEPS);
}

/** The entry whose step count is furthest from its exact share in the given direction; ties go to the earlier one. */
function furthest(exact: readonly number[], steps: readonly number[], direction: 1 | -1): number {
  let found = -1;
  let distance = -Infinity;
  for (const [index, value] of exact.entries()) {
    const step = steps[index] ?? 0;
    if (direction === -1 && step === 1) continue;
    const gap = direction * (value - step);
    if (gap > distance) {
      distance = gap;
      found = index;
    }
  }
  return found;
}
