/**
 * Whole steps of serving: decoding, a piece of a prompt, and both with shards. Which shards the sequences ask for takes
 * turns within every cell, so that ratios between them are of the same minute.
 */
import type { StepRow } from './report.ts';
import type { ServingModel } from './serving-model.ts';
import type { StepRequest, Asking } from './step-request.ts';
import { alternate, spreadOf, spreadOfAll } from './timing.ts';
import type { WatchedGpu } from './watched-gpu.ts';

/** Of each step, on average. */
interface StepTime {
  readonly wallMs: number;
  readonly gpuMs: number | null;
  readonly encodeMs: number;
  readonly submitMs: number;
}

/** Sequences and their tokens, whatever they ask for. */
export type Cell = Omit<StepRequest, 'asking'>;

export interface Repeats {
  readonly rounds: number;
  /** Milliseconds that a round of one measurement should take at least. */
  readonly roundMs: number;
}

const MAX_STEPS = 64;

export async function measureSteps(
  watched: WatchedGpu,
  serving: ServingModel,
  about: Pick<StepRow, 'section' | 'model'>,
  cell: Cell,
  askings: readonly Asking[],
  { rounds, roundMs }: Repeats,
): Promise<StepRow[]> {
  const requests = askings.map((asking) => ({ ...cell, asking }));
  const arms = [];
  for (const request of requests) {
    await timeSteps(watched, serving, request, 1);
    const { wallMs } = await timeSteps(watched, serving, request, 1);
    const steps = Math.max(2, Math.min(MAX_STEPS, Math.ceil(roundMs / wallMs)));
    arms.push(() => timeSteps(watched, serving, request, steps));
  }
  const results = await alternate(arms, rounds);
  const rows: StepRow[] = [];
  for (const [index, request] of requests.entries()) {
    const times = results[index]!;
    const wallMs = spreadOf(times.map((time) => time.wallMs));
    rows.push({
      ...about,
      formats: serving.sizes.formats,
      request,
      resident: serving.resident,
      wallMs,
      gpuMs: spreadOfAll(times.map((time) => time.gpuMs)),
      encodeMs: spreadOf(times.map((time) => time.encodeMs)),
      submitMs: spreadOf(times.map((time) => time.submitMs)),
      tokensPerSecond: (1000 * request.sequences * request.tokens) / wallMs.median,
      ...(await countStep(watched, serving, request)),
    });
  }
  return rows;
}

async function timeSteps(
  { probe }: WatchedGpu,
  serving: ServingModel,
  request: StepRequest,
  steps: number,
): Promise<StepTime> {
  await probe.take();
  const wallMs = await serving.time(request, steps);
  const { gpuMs, encodeMs, submitMs } = await probe.take();
  return {
    wallMs,
    gpuMs: gpuMs === null ? null : gpuMs / steps,
    encodeMs: encodeMs / steps,
    submitMs: submitMs / steps,
  };
}

async function countStep({ probe, take }: WatchedGpu, serving: ServingModel, request: StepRequest) {
  const batch = serving.batch(request);
  await probe.take();
  take();
  await serving.model.step(batch);
  const { passes, submits } = await probe.take();
  const { dispatches, writtenBytes, readBytes } = take();
  const { dispatchesPerLayer } = serving.model;
  return { dispatches: dispatches.length, dispatchesPerLayer, passes, submits, writtenBytes, readBytes };
}
