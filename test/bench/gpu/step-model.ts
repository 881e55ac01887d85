/**
 * The model of bytes and dispatches: how long a step of serving takes if every dispatch is as fast as one of the GPU's three
 * limits lets it be. It knows sizes alone, no tensors:
 *
 *   time = Σ over dispatches of max(bytes / bandwidth, operations / rate, floor)
 *
 * Bytes: what a dispatch reads and writes, each byte once: weights and activations whole; of the cache the positions that
 * tokens see; of the pool the experts that tokens chose, each once however many chose it. Operations: of the products, in
 * f32 whatever the weights are kept as. The floor is a dispatch that waits for the one before and does nothing.
 */
import { PARTIAL_HEAD } from '../../../kernels/attention-work.ts';
import { tensorBytes } from '../../../kernels/formats.ts';
import type { ModelConfig } from '../../../src/model/config.ts';
import type { NumberFormat } from '../../../src/tensor/formats.ts';
import type { Ceilings } from './limits.ts';
import type { Touched, Work } from './work.ts';

export interface Formats {
  readonly weights: NumberFormat;
  readonly experts: 'f32' | 'f16';
  readonly cache: 'f32' | 'f16';
}

export interface StepShape {
  readonly config: ModelConfig;
  readonly formats: Formats;
  /** Tokens of the step. */
  readonly tokens: number;
  /** Tokens that are chosen. */
  readonly draws: number;
  readonly routes: number;
  /** Most experts of a route; 1 where there are none. */
  readonly maxExperts: number;
  /** Experts of a token and their rank; K is 0 for a step of the base alone. */
  readonly topK: number;
  readonly rank: number;
  readonly touched: Touched;
}

/** One kind of dispatch; `count` of them in the step. */
export interface StepPart extends Work {
  readonly name: string;
  readonly kernel: string;
  readonly count: number;
}

export function stepParts(step: StepShape): StepPart[] {
  const { config, formats, tokens: T, draws: L, topK: K, rank: R, touched } = step;
  const {
    hiddenSize: C,
    intermediateSize: F,
    heads,
    keyValueHeads,
    headSize: D,
    layers,
    vocabularySize: V,
  } = config;
  const [queries, keys] = [heads * D, keyValueHeads * D];
  const joint = queries + 2 * keys;
  const weight = (rows: number, columns: number): number => tensorBytes(formats.weights, rows * columns);
  const cached = (elements: number): number => tensorBytes(formats.cache, elements);
  const pooled = (elements: number): number => touched.experts * tensorBytes(formats.experts, elements);
  const choice = f32(T * K, T * K);
  const expertSide = (width: number): number =>
    K > 0 ? choice + f32(touched.experts, T * K * R * width) : 0;
  const routes = f32(T, step.routes * (3 * step.maxExperts + 1));
  const { split, entries } = touched;
  const partials = entries * heads * (D + PARTIAL_HEAD);
  const combine =
    split === 0
      ? []
      : [part('sum of chunks', 'attention_combine', layers, f32(partials, 3 * split, split * queries))];
  const candidates = K > 0 ? touched.candidates : 0;
  const shrinks =
    K === 0
      ? []
      : [
          part(
            'shrink gate and up',
            'expert_shrink',
            layers,
            f32(T * C, T * K, T * K * 2 * R) + pooled(2 * R * C),
            4 * T * K * R * C,
          ),
          part(
            'shrink down',
            'expert_shrink',
            layers,
            f32(T * F, T * K, T * K * R) + pooled(R * F),
            2 * T * K * R * F,
          ),
        ];
  const head =
    L === 0
      ? []
      : [
          part('last rows', 'embedding', 1, f32(L, 2 * L * C)),
          part('head', 'norm_linear', 1, f32(L * C, C, L * V) + weight(V, C), 2 * L * C * V),
          part('choice', 'sample', 1, f32(L * V, 10 * L, 3 * L)),
        ];
  return [
    part('embedding', 'embedding', 1, f32(T, T * C) + (weight(V, C) / V) * T),
    part(
      'queries, keys, values',
      'norm_linear',
      layers,
      f32(T * C, C, T * joint) + weight(joint, C),
      2 * T * C * joint,
    ),
    part(
      'head norms, positions',
      'qk_prepare',
      layers,
      f32(T * joint, 2 * D, T * D, 2 * T, T * queries) + 2 * cached(T * keys),
    ),
    part(
      'attention',
      'attention',
      layers,
      f32((2 * T - split) * queries, 2 * T, partials) + 2 * cached(touched.cached * keys),
      4 * touched.attended * queries,
    ),
    ...combine,
    part(
      'output',
      'linear_experts',
      layers,
      f32(T * queries, 2 * T * C) + weight(C, queries),
      2 * T * queries * C,
    ),
    part(
      'norm and gate',
      'norm_gate',
      layers,
      f32(2 * T * C, C, candidates * C) + routes + choice,
      2 * T * candidates * C,
    ),
    ...shrinks,
    part(
      'gate and up',
      'swiglu_experts',
      layers,
      f32(T * C, T * F) + weight(2 * F, C) + expertSide(2) + (K > 0 ? pooled(2 * F * R) : 0),
      4 * T * C * F + 4 * T * K * R * F,
    ),
    part(
      'down',
      'linear_experts',
      layers,
      f32(T * F, 2 * T * C) + weight(C, F) + expertSide(1) + (K > 0 ? pooled(C * R) : 0),
      2 * T * F * C + 2 * T * K * R * C,
    ),
    ...head,
  ];
}

const f32 = (...counts: number[]): number => 4 * counts.reduce((sum, count) => sum + count, 0);

function part(name: string, kernel: string, count: number, bytes: number, flops = 0): StepPart {
  return { name, kernel, count, bytes, flops };
}

export interface Prediction extends Work {
  readonly dispatches: number;
  readonly seconds: number;
  /** Of the seconds: those of dispatches that each limit binds. */
  readonly boundBy: Readonly<Record<Limit, number>>;
}

export type Limit = 'bandwidth' | 'rate' | 'floor';

/** Seconds of a dispatch at the limit that binds it. */
export function atLimit({ bytes, flops }: Work, ceilings: Ceilings): { seconds: number; limit: Limit } {
  const times = { bandwidth: bytes / ceilings.bandwidth, rate: flops / ceilings.rate, floor: ceilings.floor };
  let limit: Limit = 'floor';
  for (const other of ['bandwidth', 'rate'] as const) if (times[other] > times[limit]) limit = other;
  return { seconds: times[limit], limit };
}

export function predict(parts: readonly StepPart[], ceilings: Ceilings): Prediction {
  const boundBy = { bandwidth: 0, rate: 0, floor: 0 };
  const sums = { dispatches: 0, bytes: 0, flops: 0, seconds: 0 };
  for (const part of parts) {
    const { seconds, limit } = atLimit(part, ceilings);
    sums.dispatches += part.count;
    sums.bytes += part.count * part.bytes;
    sums.flops += part.count * part.flops;
    sums.seconds += part.count * seconds;
    boundBy[limit] += part.count * seconds;
  }
  return { ...sums, boundBy };
}

/** Different experts that `choices` even and independent choices of `each` among `experts` are expected to hit. */
export function expectedExperts(experts: number, choices: number, each: number): number {
  return experts * (1 - (1 - each / experts) ** choices);
}
