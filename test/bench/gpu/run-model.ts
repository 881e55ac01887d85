/** All sections about one model in one format: opened once, measured with one resident shard, then with all. */
import type { ModelConfig } from '../../../src/model/config.ts';
import { fillCache } from './cache-filler.ts';
import { measureKernels } from './kernel-bench.ts';
import { ceilingsOf } from './limits.ts';
import { planBench } from './memory-plan.ts';
import { MODELS } from './random-model.ts';
import type { BenchOptions } from './options.ts';
import { kernelKey, mergeRows, stepKey, type Report, type Section, type StepRow } from './report.ts';
import { ServingModel } from './serving-model.ts';
import { measureSteps, type Cell } from './step-bench.ts';
import type { Formats } from './step-model.ts';
import { PAGE_SIZE, shapeOf, type Asking } from './step-request.ts';
import { openWatched, type WatchedGpu } from './watched-gpu.ts';

/** What a model's run needs, and whom it tells. */
export interface BenchContext {
  readonly gpu: GPU;
  readonly options: BenchOptions;
  readonly report: Report;
  readonly memoryBytes: number;
  readonly say: (line: string) => void;
  readonly save: () => Promise<void>;
}

export async function runModel(context: BenchContext, name: string, formats: Formats): Promise<void> {
  const { gpu, options, report, memoryBytes, say } = context;
  const config = MODELS[name]!;
  const wanted = (section: Section): boolean => options.sections.includes(section);
  const cells = cellsOf(options);
  const mostPages = Math.max(...cells.all.map(pagesOf));
  const fewestPages = Math.min(...cells.all.map(pagesOf));
  const shards = wanted('shards') ? [1, options.shards] : [1];
  const common = { config, formats, maxTokens: options.maxTokens };
  const plan = planBench(common, memoryBytes, shards, mostPages, fewestPages);
  const about = `${name} ${formats.weights}`;
  const skip = (section: Section, what: string, why: string): void => {
    report.skipped.push({ section, what: `${about}, ${what}`, why });
    say(`skipped: ${section}, ${about}, ${what}: ${why}`);
  };
  if (plan.shards === null) {
    skip('decode', 'everything', `${gibibytes(plan.weightBytes)} of weights in ${gibibytes(memoryBytes)}`);
    return;
  }
  const watched = await openWatched(gpu, memoryBytes);
  try {
    const start = performance.now();
    const sizes = { ...common, shards: plan.shards, pages: plan.pages };
    const serving = await ServingModel.open(watched.device, sizes);
    await serving.makeResident(1);
    await warmCache(watched, serving);
    say(`\n${about}: ${watched.device.description}, ready after ${seconds(start)}`);
    if (wanted('kernels')) await kernels(context, watched, serving, name, config);
    const measure = async (section: StepRow['section'], cell: Cell, askings: readonly Asking[]) => {
      const needed = pagesOf(cell);
      const what = `${cell.sequences} × ${cell.context} positions`;
      if (needed > plan.pages) {
        skip(section, what, `a cache of ${gibibytes(needed * plan.bytesPerPage)} does not fit`);
        return;
      }
      const rows = await measureSteps(
        watched,
        serving,
        { section, model: name },
        cell,
        askings,
        options.repeats,
      );
      report.steps = mergeRows(report.steps, rows, stepKey);
      for (const row of rows) say(stepLine(row));
      await context.save();
    };
    if (wanted('decode')) for (const cell of cells.decode) await measure('decode', cell, ['base', 'same']);
    if (wanted('prefill')) for (const cell of cells.prefill) await measure('prefill', cell, ['base', 'same']);
    if (!wanted('shards')) return;
    if (plan.shards < options.shards) {
      const all = gibibytes(options.shards * plan.bytesPerShard);
      skip('shards', `${options.shards} shards`, `${all} of experts do not fit beside the weights`);
      return;
    }
    const loading = performance.now();
    await serving.makeResident(options.shards);
    say(`${options.shards} shards resident after ${seconds(loading)}`);
    for (const cell of cells.all) await measure('shards', cell, ['base', 'same', 'different']);
  } finally {
    await watched.device.dispose();
  }
}

async function warmCache({ device, take }: WatchedGpu, serving: ServingModel): Promise<void> {
  take();
  await serving.model.step(serving.batch({ sequences: 1, tokens: 1, context: 1, asking: 'base' }));
  await fillCache(device, take().dispatches);
}

/** Every kernel of the steps of decoding at each batch, and of the longest piece of a prompt. */
async function kernels(
  context: BenchContext,
  watched: WatchedGpu,
  serving: ServingModel,
  model: string,
  config: ModelConfig,
): Promise<void> {
  const { options, report, say } = context;
  const ceilings = ceilingsOf(report.limits!);
  const { maxTokens } = options;
  const longest = Math.max(...options.contexts);
  const cells: Cell[] = options.batches.map((sequences) => {
    // As long as fits the cache.
    const fitting = Math.floor(serving.sizes.pages / sequences) * PAGE_SIZE;
    return { sequences, tokens: 1, context: Math.min(longest, Math.max(1, fitting)) };
  });
  const prompt = Math.min(maxTokens, longest);
  cells.push({ sequences: 1, tokens: prompt, context: prompt });
  for (const cell of cells) {
    const request = { ...cell, asking: 'same' } as const;
    watched.take();
    await serving.model.step(serving.batch(request));
    const { dispatches } = watched.take();
    const { formats } = serving.sizes;
    const { touched } = shapeOf(config, formats, request, 1);
    const about = { model, weights: formats.weights, tokens: cell.sequences * cell.tokens };
    const rows = await measureKernels(watched, dispatches, touched, ceilings, about, options.kernelRepeats);
    report.kernels = mergeRows(report.kernels, rows, kernelKey);
    say(`${model} ${formats.weights}: ${rows.length} kernels of a step of ${about.tokens} tokens`);
    await context.save();
  }
}

function cellsOf({ batches, contexts, maxTokens }: BenchOptions) {
  const pairs = batches.flatMap((sequences) => contexts.map((context) => ({ sequences, context })));
  const decode: Cell[] = pairs.map((pair) => ({ ...pair, tokens: 1 }));
  const prefill: Cell[] = pairs.map((pair) => ({
    ...pair,
    tokens: Math.min(pair.context, Math.floor(maxTokens / pair.sequences)),
  }));
  return { decode, prefill, all: [...decode, ...prefill] };
}

function stepLine({ section, model, formats, request, resident, ...row }: StepRow): string {
  const { sequences, tokens, context, asking } = request;
  const what = `${section} ${model} ${formats.weights} ${sequences}×${tokens} at ${context}, ${resident} resident, ${asking}`;
  const gpu = row.gpuMs ? `${row.gpuMs.median.toFixed(2)} on the GPU, ` : '';
  const cpu = `${row.encodeMs.median.toFixed(2)} to encode`;
  return `${what}: ${row.tokensPerSecond.toFixed(0)} tokens/s, ${row.wallMs.median.toFixed(2)} ms (${gpu}${cpu}), ${row.dispatches} dispatches`;
}

function gibibytes(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}

function seconds(start: number): string {
  return `${((performance.now() - start) / 1000).toFixed(1)} s`;
}

function pagesOf({ sequences, context }: Cell): number {
  return sequences * Math.ceil(context / PAGE_SIZE);
}
