/** What the results of an ablation say: a line for each arm, and the differences between arms with their intervals. */
import { compareSeeds, seedMeans } from '../../eval/two-way-bootstrap.ts';
import type { Difference, SeedsByItems } from '../../eval/two-way-bootstrap.ts';
import { ARMS } from './arms.ts';
import type { AblationItems, ArmResult } from './results.ts';

export interface ArmSummary {
  readonly name: string;
  readonly title: string;
  readonly seeds: number;
  readonly trainedParameters: number;
  /** Median over seeds; null for the base. */
  readonly tokensPerSecond: number | null;
  readonly peakBytes: number;
  /** Mean over seeds and their standard deviation. */
  readonly bits: Spread;
  readonly textMargin: Spread;
  readonly letterMargin: Spread;
  /** Share of questions whose right letter is likeliest, by exam. */
  readonly accuracy: Readonly<Record<string, Spread>>;
  readonly bitsBySpecialty: Readonly<Record<string, Spread>>;
  readonly routing: RoutingSummary | null;
}

export interface Spread {
  readonly mean: number;
  readonly deviation: number;
}

/** Means over layers and seeds. */
export interface RoutingSummary {
  readonly entropy: number;
  readonly mutualInformation: number;
  /** Null where no layer has two experts. */
  readonly silhouette: number | null;
  readonly withinVariance: number | null;
  /** Largest share of a layer's choices that one expert got; 1 / experts where the load is even. */
  readonly greatestLoad: number;
}

export type MeasureName = 'bits' | 'textMargin' | 'letterMargin';

export interface ArmDifference {
  readonly left: string;
  readonly right: string;
  readonly measures: Readonly<Record<MeasureName, Difference>>;
  /** Bits per character. */
  readonly bySpecialty: Readonly<Record<string, Difference>>;
}

export interface AblationSummary {
  readonly arms: readonly ArmSummary[];
  readonly differences: readonly ArmDifference[];
  readonly exams: readonly string[];
  readonly specialties: readonly string[];
}

/** Against the base, and each against what it builds on. */
const PAIRS: readonly (readonly [string, string])[] = [
  ['full', 'base'],
  ['lora', 'base'],
  ['lora-moe', 'base'],
  ['contrast-batch', 'base'],
  ['sparsedoctor', 'base'],
  ['lora', 'full'],
  ['lora-moe', 'lora'],
  ['contrast-batch', 'lora-moe'],
  ['sparsedoctor', 'lora-moe'],
  ['sparsedoctor', 'contrast-batch'],
  ['sparsedoctor', 'full'],
  ['sparsedoctor', 'lora'],
];

const NO_SPECIALTY = 'none';

export function summarise(items: AblationItems, results: readonly ArmResult[]): AblationSummary {
  const byArm = new Map(
    ARMS.map(({ name }) => [name, results.filter((result) => result.arm === name)] as const).filter(
      ([, found]) => found.length > 0,
    ),
  );
  const specialties = names(items.answers.map(({ specialty }) => specialty ?? NO_SPECIALTY));
  const exams = names(items.questions.map(({ exam }) => exam));
  const arms = ARMS.flatMap(({ name, title }) => {
    const found = byArm.get(name);
    return found ? [summariseArm(name, title, found, items, exams, specialties)] : [];
  });
  const differences = PAIRS.flatMap(([left, right]) => {
    const [a, b] = [byArm.get(left), byArm.get(right)];
    return a && b ? [compareArms(left, right, a, b, items, specialties)] : [];
  });
  return { arms, differences, exams, specialties };
}

function summariseArm(
  name: string,
  title: string,
  results: readonly ArmResult[],
  items: AblationItems,
  exams: readonly string[],
  specialties: readonly string[],
): ArmSummary {
  const speeds = results.flatMap(({ tokensPerSecond }) => tokensPerSecond ?? []).sort((a, b) => a - b);
  const accuracy = exams.map((exam) => {
    const right = results.map(({ letterRight }) =>
      letterRight.filter((_, at) => items.questions[at]?.exam === exam),
    );
    return [exam, spread(seedMeans(right))] as const;
  });
  const bySpecialty = specialties.map((specialty) => {
    const { values, weights } = ofSpecialty(bits(results), items, specialty);
    return [specialty, spread(seedMeans(values, weights))] as const;
  });
  return {
    name,
    title,
    seeds: results.length,
    trainedParameters: results[0]!.trainedParameters,
    tokensPerSecond: speeds[Math.floor(speeds.length / 2)] ?? null,
    peakBytes: Math.max(...results.map(({ peakBytes }) => peakBytes)),
    bits: spread(seedMeans(bits(results), characters(items))),
    textMargin: spread(seedMeans(results.map(({ textMargins }) => textMargins))),
    letterMargin: spread(seedMeans(results.map(({ letterMargins }) => letterMargins))),
    accuracy: Object.fromEntries(accuracy),
    bitsBySpecialty: Object.fromEntries(bySpecialty),
    routing: summariseRouting(results),
  };
}

function compareArms(
  left: string,
  right: string,
  a: readonly ArmResult[],
  b: readonly ArmResult[],
  items: AblationItems,
  specialties: readonly string[],
): ArmDifference {
  const bySpecialty = specialties.map((specialty) => {
    const { values, weights } = ofSpecialty(bits(a), items, specialty);
    const other = ofSpecialty(bits(b), items, specialty);
    return [specialty, compareSeeds(values, other.values, { weights })] as const;
  });
  const margin = (name: 'textMargins' | 'letterMargins'): Difference =>
    compareSeeds(
      a.map((result) => result[name]),
      b.map((result) => result[name]),
    );
  return {
    left,
    right,
    measures: {
      bits: compareSeeds(bits(a), bits(b), { weights: characters(items) }),
      textMargin: margin('textMargins'),
      letterMargin: margin('letterMargins'),
    },
    bySpecialty: Object.fromEntries(bySpecialty),
  };
}

function summariseRouting(results: readonly ArmResult[]): RoutingSummary | null {
  const layers = results.flatMap(({ routing }) => routing ?? []);
  if (layers.length === 0) return null;
  return {
    entropy: mean(layers.map(({ entropy }) => entropy)),
    mutualInformation: mean(layers.map(({ mutualInformation }) => mutualInformation)),
    silhouette: meanOfSome(layers.map(({ silhouette }) => silhouette)),
    withinVariance: meanOfSome(layers.map(({ withinVariance }) => withinVariance)),
    greatestLoad: mean(layers.map(({ load }) => Math.max(...load))),
  };
}

function bits(results: readonly ArmResult[]): SeedsByItems {
  return results.map(({ nats }) => nats.map((value) => value / Math.LN2));
}

function characters(items: AblationItems): number[] {
  return items.answers.map((answer) => answer.characters);
}

function ofSpecialty(
  values: SeedsByItems,
  items: AblationItems,
  wanted: string,
): { values: number[][]; weights: number[] } {
  const places = items.answers.flatMap(({ specialty }, at) =>
    (specialty ?? NO_SPECIALTY) === wanted ? [at] : [],
  );
  const weights = characters(items);
  return {
    values: values.map((row) => places.map((at) => row[at]!)),
    weights: places.map((at) => weights[at]!),
  };
}

function spread(values: readonly number[]): Spread {
  const average = mean(values);
  const squares = values.reduce((sum, value) => sum + (value - average) ** 2, 0);
  return { mean: average, deviation: values.length > 1 ? Math.sqrt(squares / (values.length - 1)) : 0 };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function meanOfSome(values: readonly (number | null)[]): number | null {
  const some = values.filter((value) => value !== null);
  return some.length > 0 ? mean(some) : null;
}

function names(values: readonly string[]): string[] {
  return [...new Set(values)].sort();
}
