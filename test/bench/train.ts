/**
 * `npm run bench:train [-- --steps 9 --json docs/bench/train.json]`: tokens per second of a LoRA step, beside PyTorch.
 *
 * Frozen 8 layers × 256, rank 16 on the three FFN linears, 8 rows of 256 tokens, vocabulary 8,192, AdamW. Ours and
 * PyTorch, each with one thread and with two, take turns step by step, so that what else the machine does falls on all
 * of them; figures are medians. Without python3 and torch (`apt-get install python3-torch libopenblas0-pthread`) ours run alone.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus } from 'node:os';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { createLoraStep, SHAPE, TOKENS, type StepTime } from './lora-step.ts';
import { matrixOperations, peakGflops, profile, type KernelShare } from './profile.ts';
import { startTorch } from './torch-peer.ts';

interface Runner {
  readonly name: string;
  readonly step: () => Promise<StepTime>;
  readonly times: StepTime[];
}

interface Row {
  readonly name: string;
  /** Medians. */
  readonly tokensPerCpuSecond: number;
  readonly tokensPerWallSecond: number;
  /** To the best of PyTorch, which may be either of its rows. */
  readonly cpuRatio: number | null;
  readonly wallRatio: number | null;
}

const { values } = parseArgs({
  options: {
    steps: { type: 'string', default: '9' },
    python: { type: 'string', default: 'python3' },
    json: { type: 'string' },
  },
});
const steps = Number(values.steps);
const ours = [await createLoraStep(1), await createLoraStep(2)] as const;
const torch = [await startTorch(values.python, 1), await startTorch(values.python, 2)] as const;
const runners: Runner[] = [];
for (const threads of [1, 2] as const) {
  const { step } = ours[threads - 1]!;
  runners.push({ name: `ours, ${threads} thread${threads > 1 ? 's' : ''}`, step, times: [] });
  const peer = torch[threads - 1];
  if (peer)
    runners.push({ name: `PyTorch, ${threads} thread${threads > 1 ? 's' : ''}`, step: peer.step, times: [] });
}
for (let step = 0; step < steps; step++) {
  for (const { step: run, times } of runners) times.push(await run());
}
const [{ device, dispatches }] = ours;
const peak = await peakGflops(device, 20);
const kernels = await profile(device, dispatches, 5);
for (const { device } of ours) await device.dispose();
for (const peer of torch) await peer?.close();

const report = {
  what: 'A LoRA training step: medians of alternating steps.',
  shape: SHAPE,
  steps,
  machine: {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    node: process.version,
    v8: process.versions.v8,
    kernels: ours[0].device.description,
    torch: torch[0]?.version ?? null,
    torchProductGflops: torch[0]?.gflops ?? null,
  },
  rows: rows(runners),
  oneThread: { peakGflops: peak, matrixGflopPerStep: matrixOperations(dispatches) / 1e9, kernels },
};
print(report);
if (values.json) {
  await mkdir(dirname(values.json), { recursive: true });
  await writeFile(values.json, `${JSON.stringify(report, null, 2)}\n`);
}

function rows(runners: readonly Runner[]): Row[] {
  const speeds = runners.map(({ name, times }) => ({
    name,
    tokensPerCpuSecond: TOKENS / median(times.map(({ cpu }) => cpu)),
    tokensPerWallSecond: TOKENS / median(times.map(({ wall }) => wall)),
  }));
  const peers = speeds.filter(({ name }) => name.startsWith('PyTorch'));
  const best = (key: 'tokensPerCpuSecond' | 'tokensPerWallSecond') =>
    peers.length > 0 ? Math.max(...peers.map((peer) => peer[key])) : null;
  const [cpu, wall] = [best('tokensPerCpuSecond'), best('tokensPerWallSecond')];
  return speeds.map((speed) => ({
    ...speed,
    cpuRatio: cpu && speed.tokensPerCpuSecond / cpu,
    wallRatio: wall && speed.tokensPerWallSecond / wall,
  }));
}

function print({ machine, rows, oneThread }: typeof report): void {
  const { cpu, cores, node, kernels, torch, torchProductGflops } = machine;
  console.log(
    `${cpu}, ${cores} cores; Node ${node}, ${kernels}; ${torch ? `PyTorch ${torch}, whose products reach ${torchProductGflops?.toFixed(0)} GFLOP/s` : 'no PyTorch'}`,
  );
  if (!torch)
    console.log(
      `${values.python} has no torch (apt-get install python3-torch libopenblas0-pthread): ours alone`,
    );
  console.log(
    `\n${steps} steps of ${TOKENS} tokens each, in turns; medians; ratios to the best of PyTorch\n`,
  );
  console.log('                      tokens/CPU s  ratio  tokens/s  ratio');
  for (const row of rows) {
    const cells = [row.name.padEnd(20), row.tokensPerCpuSecond.toFixed(0).padStart(14), ratio(row.cpuRatio)];
    console.log([...cells, row.tokensPerWallSecond.toFixed(0).padStart(8), ratio(row.wallRatio)].join('  '));
  }
  const { peakGflops, matrixGflopPerStep } = oneThread;
  const limit = (TOKENS * peakGflops) / matrixGflopPerStep;
  console.log(`\nOne thread: a product in the cache reaches ${peakGflops.toFixed(1)} GFLOP/s;`);
  console.log(
    `the step's products are ${matrixGflopPerStep.toFixed(1)} GFLOP: ${limit.toFixed(0)} tokens/s at most\n`,
  );
  printKernels(oneThread.kernels);
}

function printKernels(kernels: readonly KernelShare[]): void {
  console.log('kernel                              dispatches       ms  share  GFLOP/s');
  for (const { kernel, dispatches, ms, share, gflops } of kernels) {
    const cells = [kernel.padEnd(35), String(dispatches).padStart(10), ms.toFixed(1).padStart(8)];
    cells.push(`${(share * 100).toFixed(1)}%`.padStart(6), (gflops?.toFixed(1) ?? '').padStart(8));
    console.log(cells.join(' '));
  }
  const total = kernels.reduce((sum, { ms }) => sum + ms, 0);
  console.log('sum'.padEnd(46), total.toFixed(1).padStart(8));
}

function ratio(value: number | null): string {
  return (value?.toFixed(2) ?? '–').padStart(5);
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]!;
}
