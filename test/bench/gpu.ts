/**
 * `npm run bench:gpu`: what a GPU can do, and which share of it our kernels, steps and shards reach; see
 * docs/bench/README.md. Parts: --only limits,kernels,decode,prefill,shards,peer,model; each adds to one report in JSON.
 */
import { spawn } from 'node:child_process';
import { compareSteps, judge } from './gpu/aims.ts';
import { measureKernels } from './gpu/kernel-bench.ts';
import { ceilingsOf, measureLimits } from './gpu/limits.ts';
import { openGpu, requestRawDevice } from './gpu/open.ts';
import { parseOptions, type BenchOptions } from './gpu/options.ts';
import { runPeer } from './gpu/run-peer.ts';
import { printAims, printComparisons, printKernels, printLimits, printMachine } from './gpu/print.ts';
import { SHARD } from './gpu/random-model.ts';
import { kernelKey, mergeRows, openReport, readReport, saveReport, type Report } from './gpu/report.ts';
import { runModel, type BenchContext } from './gpu/run-model.ts';
import { trainOnce } from './gpu/training-step.ts';
import { openWatched } from './gpu/watched-gpu.ts';
import { NOTHING } from './gpu/work.ts';

/** Where nobody tells how much memory the GPU has. */
const DEFAULT_MEMORY = 8 * 2 ** 30;

const options = parseOptions(process.argv.slice(2));
const isOnlyModel = options.sections.every((section) => section === 'model');
if (isOnlyModel) printModel(await readReport(options.out));
else if (options.swiftshader && process.env['VK_DRIVER_FILES'] === undefined) await restartOnSwiftshader();
else await bench(options);

async function bench(options: BenchOptions): Promise<void> {
  const { sections, out } = options;
  const { gpu, adapter, machine } = await openGpu(options.backend, options.commit);
  const report = await openReport(out, machine);
  const memoryBytes = options.memoryBytes ?? machine.memoryBytes ?? DEFAULT_MEMORY;
  const context = { gpu, options, report, memoryBytes, say, save: () => saveReport(out, report) };
  printMachine(machine, say);
  report.skipped = report.skipped.filter(({ section }) => !sections.includes(section));

  if (sections.includes('limits') || !report.limits) {
    const device = await requestRawDevice(adapter);
    report.limits = await measureLimits(device, options.limits);
    device.destroy();
    await context.save();
    printLimits(report.limits, say);
  }
  if (sections.includes('kernels')) {
    await attempt(context, 'training', () => trainingKernels(context));
    printKernels(
      report.kernels.filter(({ model }) => model === 'training'),
      say,
    );
  }
  if (sections.some((section) => ['kernels', 'decode', 'prefill', 'shards'].includes(section))) {
    await models(context);
  }
  if (sections.includes('kernels')) {
    printKernels(
      report.kernels.filter(({ model }) => model !== 'training'),
      say,
    );
  }
  if (sections.includes('peer')) await attempt(context, 'llama.cpp', () => runPeer(context));
  report.comparisons = compareSteps(report);
  report.aims = judge(report);
  await context.save();
  if (sections.includes('model')) printModel(report);
  say(`\nwritten to ${out}`);
}

async function models(context: BenchContext): Promise<void> {
  const { options } = context;
  for (const model of options.models) {
    for (const formats of options.formats) {
      await attempt(context, `${model} ${formats.weights}`, () => runModel(context, model, formats));
    }
  }
}

/** What fails leaves the rest its turn, and a report and an exit code that say so. */
async function attempt(
  { options, report, save }: BenchContext,
  what: string,
  measure: () => Promise<void>,
): Promise<void> {
  try {
    await measure();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    report.skipped.push({ section: options.sections[0]!, what: `${what}, what is not here`, why });
    say(`FAILED: ${what}: ${error instanceof Error ? error.stack : why}`);
    process.exitCode = 1;
    await save();
  }
}

function printModel({ comparisons, aims }: Report): void {
  printComparisons(comparisons, say);
  printAims(aims, say);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** At the sizes of the product's own training runs. */
async function trainingKernels({ gpu, options, report, memoryBytes, save }: BenchContext): Promise<void> {
  for (const what of ['base', 'experts'] as const) {
    const watched = await openWatched(gpu, memoryBytes);
    const { dispatches } = await trainOnce(watched, options.training, what);
    const touched = { ...NOTHING, experts: SHARD.experts, candidates: SHARD.experts };
    const { rows, rowLength } = options.training;
    const about = { model: 'training', weights: what, tokens: rows * rowLength };
    const ceilings = ceilingsOf(report.limits!);
    const measured = await measureKernels(
      watched,
      dispatches,
      touched,
      ceilings,
      about,
      options.kernelRepeats,
    );
    report.kernels = mergeRows(report.kernels, measured, kernelKey);
    await save();
    await watched.device.dispose();
  }
}

/** A Vulkan driver is chosen before a process starts. */
async function restartOnSwiftshader(): Promise<void> {
  const { swiftshaderEnvironment } = await import('../support/swiftshader.ts');
  const env = { ...process.env, ...(await swiftshaderEnvironment()) };
  const child = spawn(process.execPath, process.argv.slice(1), { env, stdio: 'inherit' });
  process.exitCode = await new Promise<number>((resolve) => child.on('exit', (code) => resolve(code ?? 1)));
}
