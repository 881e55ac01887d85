/** What every training command does around a run: memory first, progress while it goes, a report at its end. */
import { z } from 'zod';
import { CallerError } from '../base/errors.ts';
import { silentLogger } from '../base/logger.ts';
import type { Device } from '../tensor/device.ts';
import { MEMORY_PARTS, requireMemory, showBytes } from '../train/memory-estimate.ts';
import type { MemoryEstimate } from '../train/memory-estimate.ts';
import type { RunEnd } from '../train/run.ts';
import { deviceNames, openOnDevice } from './devices.ts';
import { findGpu } from './find-gpu.ts';
import { createProgress } from './progress.ts';
import type { Progress } from './progress.ts';
import { writeReport } from './report/write-report.ts';

/** A line for people, on standard error. */
export function tell(line: string): void {
  process.stderr.write(`${line}\n`);
}

export function terminalProgress(tokensPerStep: number): Progress {
  const { stderr } = process;
  return createProgress(tokensPerStep, {
    stream: stderr,
    isTerminal: stderr.isTTY,
    now: () => performance.now(),
  });
}

/** The device of a run, by name. */
export async function openTrainingDevice(name: string, threads: string): Promise<Device> {
  const logger = { ...silentLogger, warn: (_: object, message: string) => tell(message) };
  const request = { name: z.enum(deviceNames).parse(name), threads: Number(threads), findGpu, logger };
  return openOnDevice(request, async (device) => device);
}

/**
 * Shows what a run will take, and refuses where that is more than `limit` (GiB), or than what the machine has free. How much
 * a GPU has nobody can ask: it refuses itself.
 */
export function memoryCheck(
  limit: string | undefined,
  { kind }: Pick<Device, 'kind'>,
): (estimate: MemoryEstimate) => void {
  const most = kind === 'webgpu' ? Number.POSITIVE_INFINITY : process.availableMemory();
  const limitBytes = limit === undefined ? most : Number(limit) * 2 ** 30;
  if (!(limitBytes > 0)) {
    throw new CallerError('bad_memory_limit', `--memory-limit is in GiB, such as 2.5; it is "${limit}".`);
  }
  return (estimate) => {
    for (const line of memoryTable(estimate)) tell(line);
    requireMemory(estimate, limitBytes);
  };
}

/** A line for each part that there is. */
function memoryTable({ parts, deviceBytes, savingBytes }: MemoryEstimate): string[] {
  const rows: [string, number][] = MEMORY_PARTS.filter((part) => parts[part] > 0).map((part) => [
    part,
    parts[part],
  ]);
  rows.push(['on the device', deviceBytes], ['beside it, while saving', savingBytes]);
  return ['memory:', ...rows.map(([name, bytes]) => `  ${name.padEnd(24)}${showBytes(bytes).padStart(11)}`)];
}

/** First Ctrl-C ends after this step and saves; a second one ends at once. */
export function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  process.once('SIGINT', () => controller.abort());
  process.once('SIGTERM', () => controller.abort());
  return controller.signal;
}

/** Says how a run has ended, and makes its report. A report that fails costs nothing of what was trained. */
export async function tellEnd(end: RunEnd, step: number, folder: string): Promise<void> {
  if (end === 'interrupted') tell(`stopped at step ${step}; the same command goes on from there`);
  if (end === 'converged') tell(`validation gets no better: the weights are those of step ${step}, its best`);
  try {
    tell(`wrote ${await writeReport(folder)}`);
  } catch (error) {
    tell(`no report: ${error instanceof Error ? error.message : String(error)}`);
  }
}
