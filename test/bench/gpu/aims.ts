/** Measured against predicted, step by step, and what the product aims at on a data-centre GPU, met or not. */
import { ceilingsOf, type Ceilings } from './limits.ts';
import { MODELS } from './random-model.ts';
import type { Report, StepRow } from './report.ts';
import { predict, stepParts, type Formats, type Limit } from './step-model.ts';
import { shapeOf, type Asking, type StepRequest } from './step-request.ts';

export interface Comparison {
  readonly section: StepRow['section'];
  readonly model: string;
  readonly formats: Formats;
  readonly request: StepRequest;
  readonly resident: number;
  readonly bytes: number;
  readonly flops: number;
  readonly predictedDispatches: number;
  readonly dispatches: number;
  readonly predictedMs: number;
  /** Where most of the predicted time goes. */
  readonly bound: Limit;
  readonly wallMs: number;
  /** Range of the rounds by their median. */
  readonly wallNoise: number;
  readonly gpuMs: number | null;
  /** Measured by predicted: of the GPU alone, and of the step as its caller sees it. */
  readonly gpuRatio: number | null;
  readonly wallRatio: number;
}

export interface Aim {
  readonly aim: string;
  readonly model: string;
  readonly formats: Formats;
  readonly value: number;
  readonly wanted: string;
  readonly met: boolean;
  readonly note: string;
}

export function compareSteps({ limits, steps }: Report): Comparison[] {
  if (!limits) return [];
  const ceilings = ceilingsOf(limits);
  return steps.map((row) => compareStep(row, ceilings));
}

function compareStep(row: StepRow, ceilings: Ceilings): Comparison {
  const { section, model, formats, request, resident, dispatches } = row;
  const shape = shapeOf(MODELS[model]!, formats, request, resident);
  const prediction = predict(stepParts(shape), ceilings);
  const { bytes, flops, boundBy } = prediction;
  const predictedMs = prediction.seconds * 1000;
  const limitsBySeconds = (['bandwidth', 'rate', 'floor'] as const).toSorted(
    (a, b) => boundBy[b] - boundBy[a],
  );
  const gpuMs = row.gpuMs?.median ?? null;
  return {
    section,
    model,
    formats,
    request,
    resident,
    bytes,
    flops,
    predictedDispatches: prediction.dispatches,
    dispatches,
    predictedMs,
    bound: limitsBySeconds[0]!,
    wallMs: row.wallMs.median,
    wallNoise: (row.wallMs.most - row.wallMs.least) / row.wallMs.median,
    gpuMs,
    gpuRatio: gpuMs === null ? null : gpuMs / predictedMs,
    wallRatio: row.wallMs.median / predictedMs,
  };
}

/** Those that what was measured allows to judge; a step counts as its caller sees it, by the wall. */
export function judge({ comparisons }: Pick<Report, 'comparisons'>): Aim[] {
  return comparisons.flatMap((row) => aimsOf(row, comparisons));
}

function aimsOf(row: Comparison, rows: readonly Comparison[]): Aim[] {
  const { section, model, formats, request, resident } = row;
  const { sequences, tokens, asking, context } = request;
  if (tokens > 1) return [];
  const at = `batch ${sequences}, context ${context}, ${resident} resident`;
  const aims: Aim[] = [];
  const aim = (name: string, value: number, wanted: '≥' | '≤', limit: number, note: string): void => {
    const met = wanted === '≥' ? value >= limit : value <= limit;
    const text = `${wanted} ${limit.toFixed(2)}`;
    aims.push({ aim: name, model, formats, value, wanted: text, met, note: `${at}${note}` });
  };
  const other = (change: Partial<Pick<Comparison, 'section' | 'resident'>>, asked: Asking) => {
    const wanted = { section, model, formats, resident, ...change, request: { ...request, asking: asked } };
    return rows.find((one) => identity(one) === identity(wanted));
  };
  if (section === 'decode' && sequences === 1 && asking === 'base') {
    aim('share of the limit', row.predictedMs / row.wallMs, '≥', 0.5, `: ${BINDS[row.bound]} binds`);
  }
  const base = other({}, 'base');
  if (sequences === 1 && asking === 'same' && base) {
    aim('cost of experts', row.wallMs / base.wallMs - 1, '≤', 0.1, '');
  }
  if (section === 'shards' && sequences > 1 && asking === 'different') {
    aim('mixed shards by the model', row.wallRatio, '≤', 1.3, ', every sequence another shard');
  }
  // Within the noise of the two; clocks wander by two in a hundred, and what varies by more than ten says nothing.
  const noise = (one: Comparison): number => Math.min(0.1, Math.max(0.02, row.wallNoise, one.wallNoise));
  const same = other({}, 'same');
  if (section === 'shards' && sequences === 1 && asking === 'different' && same) {
    aim('cost of residents', row.wallMs / same.wallMs - 1, '≤', noise(same), ', another shard every step');
  }
  const alone = other({ section: 'decode', resident: 1 }, 'same');
  if (section === 'shards' && asking === 'same' && alone) {
    aim('cost of residents', row.wallMs / alone.wallMs - 1, '≤', noise(alone), ', against a single one');
  }
  return aims;
}

function identity({ section, model, formats, request, resident }: StepIdentity): string {
  return JSON.stringify([section, model, formats, request, resident]);
}

type StepIdentity = Pick<Comparison, 'section' | 'model' | 'formats' | 'request' | 'resident'>;

const BINDS: Readonly<Record<Limit, string>> = {
  bandwidth: 'the bandwidth',
  rate: 'the rate of f32',
  floor: 'the dispatch floor',
};
