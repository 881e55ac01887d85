/**
 * Differences between two ways of training, each tried with several seeds on the same items: how sure can we be that
 * another draw of seeds and items would show the same? Both are resampled: items in pairs, seeds of each side on their own.
 */
import { CallerError } from '../base/errors.ts';
import { createRandom } from '../base/random.ts';

/** One side: for each seed a value for each item. */
export type SeedsByItems = readonly (readonly number[])[];

export interface Difference {
  /** Left minus right, Σ values / Σ weights, mean over seeds. */
  readonly value: number;
  /** 95 % interval. */
  readonly low: number;
  readonly high: number;
  /** Smallest true difference that this design would find with a chance of 80 % at 5 % (two-sided): 2.8 standard errors. */
  readonly detectable: number;
}

export interface TwoWayOptions {
  /** Of each item, for instance its characters; 1 by default. */
  readonly weights?: readonly number[];
  readonly resamples?: number;
  readonly seed?: number;
}

/** z at 97.5 % plus z at 80 %. */
const POWER_FACTOR = 1.959964 + 0.841621;

export function compareSeeds(
  left: SeedsByItems,
  right: SeedsByItems,
  options: TwoWayOptions = {},
): Difference {
  const items = left[0]?.length ?? 0;
  const same = [...left, ...right].every((values) => values.length === items);
  if (items === 0 || right.length === 0 || !same) {
    throw new CallerError(
      'unequal_items',
      'Both sides need at least one seed, and values for the same items.',
    );
  }
  const weights = options.weights ?? left[0]!.map(() => 1);
  const random = createRandom(options.seed ?? 1);
  const draws: number[] = [];
  for (let at = 0; at < (options.resamples ?? 2000); at++) {
    const chosen = Array.from({ length: items }, () => random.integer(items));
    draws.push(drawSide(left, chosen, weights, random) - drawSide(right, chosen, weights, random));
  }
  draws.sort((first, second) => first - second);
  const whole = Array.from({ length: items }, (_, item) => item);
  const value =
    mean(left.map((row) => ratio(row, whole, weights))) -
    mean(right.map((row) => ratio(row, whole, weights)));
  const average = mean(draws);
  const variance = mean(draws.map((draw) => (draw - average) ** 2));
  return {
    value,
    low: draws[Math.round(0.025 * (draws.length - 1))]!,
    high: draws[Math.round(0.975 * (draws.length - 1))]!,
    detectable: POWER_FACTOR * Math.sqrt(variance),
  };
}

/** Σ values / Σ weights of a side's seeds, one after another. */
export function seedMeans(side: SeedsByItems, weights?: readonly number[]): number[] {
  return side.map((row) => ratio(row, Array.from(row.keys()), weights ?? row.map(() => 1)));
}

function drawSide(
  side: SeedsByItems,
  items: readonly number[],
  weights: readonly number[],
  random: { integer(below: number): number },
): number {
  const seeds = side.map(() => side[random.integer(side.length)]!);
  return mean(seeds.map((row) => ratio(row, items, weights)));
}

function ratio(row: readonly number[], items: readonly number[], weights: readonly number[]): number {
  let [sum, weight] = [0, 0];
  for (const item of items) {
    sum += row[item]!;
    weight += weights[item]!;
  }
  return sum / weight;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
