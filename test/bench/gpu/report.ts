/** The report in `docs/bench/`: what was measured, of which machine and commit. Runs of parts of the bench add to it. */
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Aim, Comparison } from './aims.ts';
import type { Limits } from './limits.ts';
import type { Machine } from './open.ts';
import type { PeerRow } from './peer.ts';
import type { Formats, Limit } from './step-model.ts';
import type { StepRequest } from './step-request.ts';
import type { Spread } from './timing.ts';

export const SECTIONS = ['limits', 'kernels', 'decode', 'prefill', 'shards', 'peer', 'model'] as const;
export type Section = (typeof SECTIONS)[number];

/** Dispatches of one kernel with the same sizes, repeated. */
export interface KernelRow {
  /** A model's name, or `training`. */
  readonly model: string;
  readonly weights: string;
  /** Of the step that they come from. */
  readonly tokens: number;
  readonly kernel: string;
  readonly sizes: string;
  /** In that step. */
  readonly dispatches: number;
  readonly microseconds: Spread;
  readonly clock: 'gpu' | 'wall';
  readonly bytes: number;
  readonly flops: number;
  readonly bound: Limit;
  /** Time at that limit by the time measured. */
  readonly share: number;
}

export interface StepRow {
  readonly section: 'decode' | 'prefill' | 'shards';
  readonly model: string;
  readonly formats: Formats;
  readonly request: StepRequest;
  readonly resident: number;
  readonly wallMs: Spread;
  readonly gpuMs: Spread | null;
  /** Of the CPU, a step. */
  readonly encodeMs: Spread;
  readonly submitMs: Spread;
  readonly tokensPerSecond: number;
  readonly dispatches: number;
  readonly dispatchesPerLayer: number;
  readonly passes: number;
  readonly submits: number;
  readonly writtenBytes: number;
  readonly readBytes: number;
}

export interface Skipped {
  readonly section: Section;
  readonly what: string;
  readonly why: string;
}

export interface Report {
  readonly what: string;
  readonly machine: Machine;
  limits: Limits | null;
  kernels: KernelRow[];
  steps: StepRow[];
  peer: PeerRow[];
  comparisons: Comparison[];
  aims: Aim[];
  skipped: Skipped[];
}

/** The file's, where it is of the same machine and commit; throws where it is of another. */
export async function openReport(path: string, machine: Machine): Promise<Report> {
  const empty: Report = {
    what: 'Limits of a GPU, and our kernels, steps and shards beside them. docs/bench/README.md says how to read it.',
    machine,
    limits: null,
    kernels: [],
    steps: [],
    peer: [],
    comparisons: [],
    aims: [],
    skipped: [],
  };
  if (!existsSync(path)) return empty;
  const before = await readReport(path);
  for (const key of ['device', 'driver', 'backend', 'commit'] as const) {
    if (before.machine[key] === machine[key]) continue;
    const [there, here] = [before.machine[key], machine[key]];
    throw new Error(`${path} is of ${key} "${there}", this is "${here}": name another file with --out`);
  }
  return { ...before, machine };
}

/** Of a file that this bench wrote. */
export async function readReport(path: string): Promise<Report> {
  return JSON.parse(await readFile(path, 'utf8'));
}

/** Whole or not at all: a run that is stopped leaves what it had. */
export async function saveReport(path: string, report: Report): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(`${path}.new`, `${JSON.stringify(report, null, 1)}\n`);
  await rename(`${path}.new`, path);
}

/** In place of the rows that are about the same. */
export function mergeRows<T>(rows: readonly T[], added: readonly T[], about: (row: T) => unknown): T[] {
  const keys = new Set(added.map((row) => JSON.stringify(about(row))));
  return [...rows.filter((row) => !keys.has(JSON.stringify(about(row)))), ...added];
}

export const kernelKey = ({ model, weights, tokens, kernel, sizes }: KernelRow): unknown => [
  model,
  weights,
  tokens,
  kernel,
  sizes,
];

export const stepKey = ({ section, model, formats, request, resident }: StepRow): unknown => [
  section,
  model,
  formats,
  request,
  resident,
];
