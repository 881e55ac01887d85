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
  const limitsBySeconds = (['bandwidth', 'rate', 'floor'] as const).toSorted((a, b) => boundBy[b] - boundBy[a]);
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
    gpuMs,
    gpuRatio: gpuMs === null ? null : gpuMs / predictedMs,
    wallRatio: row.wallMs.median / predictedMs,
  };
}

/** Those that what was measured allows to judge; a step counts as its caller sees it, by the wall. */
export function judge(comparisons: readonly Comparison[]): Aim[] {
  return comparisons.flatMap((row): Aim[] => {
    const { model, formats, request } = row;
    const about = { model, formats };
    const { sequences, asking, context } = request;
    const at = `batch ${sequences}, context ${context}, ${row.resident} resident`;
    const other = (asked: Asking) =>
      comparisons.find(
        (one) =>
          one.section === row.section &&
          one.model === model &&
          one.resident === row.resident &&
          JSON.stringify(one.formats) === JSON.stringify(formats) &&
          JSON.stringify(one.request) === JSON.stringify({ ...request, asking: asked }),
      );
    const aims: Aim[] = [];
    if (row.section === 'decode' && sequences === 1 && asking === 'base') {
      const value = row.predictedMs / row.wallMs;
      const note = `${at}: ${bindsIn(row)} binds`;
      aims.push({ aim: 'decode at the limit', ...about, value, wanted: '≥ 0.5', met: value >= 0.5, note });
    }
    const base = other('base');
    if (row.section !== 'prefill' && sequences === 1 && asking === 'same' && base) {
      const value = row.wallMs / base.wallMs - 1;
      aims.push({ aim: 'cost of experts', ...about, value, wanted: '≤ 0.1', met: value <= 0.1, note: at });
    }
    if (row.section === 'shards' && request.tokens === 1 && sequences > 1 && asking === 'different') {
      const value = row.wallRatio;
      const note = `${at}, every sequence another shard: measured by predicted`;
      aims.push({ aim: 'mixed shards by the model', ...about, value, wanted: '≤ 1.3', met: value <= 1.3, note });
    }
    const same = other('same');
    if (row.section === 'shards' && sequences === 1 && asking === 'different' && same) {
      const value = row.wallMs / same.wallMs - 1;
      const note = `${at}: another shard every step against the same one`;
      aims.push({ aim: 'cost of residents', ...about, value, wanted: '≤ 0.05', met: value <= 0.05, note });
    }
    return aims;
  });
}

function bindsIn({ bound }: Comparison): string {
  return { bandwidth: 'the bandwidth', rate: 'the rate of f32', floor: 'the dispatch floor' }[bound];
}
