/** What `npm run bench:gpu` takes from its command line, and how much of everything it then measures. */
import { parseArgs } from 'node:util';
import type { LimitSizes } from './limits.ts';
import { MODELS } from './random-model.ts';
import { SECTIONS, type Section } from './report.ts';
import type { Repeats } from './step-bench.ts';
import type { Formats } from './step-model.ts';
import { TRAINING, type TrainingSizes } from './training-step.ts';

export interface BenchOptions {
  readonly sections: readonly Section[];
  readonly models: readonly string[];
  readonly formats: readonly Formats[];
  readonly batches: readonly number[];
  readonly contexts: readonly number[];
  /** Resident shards in the section `shards`. */
  readonly shards: number;
  /** Most tokens of a step. */
  readonly maxTokens: number;
  readonly repeats: Repeats;
  /** There are many kernels, and each round of one is short. */
  readonly kernelRepeats: Repeats;
  readonly limits: LimitSizes;
  readonly training: TrainingSizes;
  readonly out: string;
  readonly backend: string;
  readonly commit: string | undefined;
  /** Of the GPU that the bench may take; undefined: as much as nvidia-smi tells. */
  readonly memoryBytes: number | undefined;
  readonly swiftshader: boolean;
  /** A llama-bench, or `node-llama-cpp`. */
  readonly llama: string | undefined;
}

const FULL = {
  models: '0.6b,4b',
  weights: 'q8,f16,q4,f32',
  batches: '1,8,32',
  contexts: '128,2048',
  shards: 64,
  maxTokens: 512,
  repeats: { rounds: 7, roundMs: 150 },
  kernelRepeats: { rounds: 7, roundMs: 15 },
  limits: {
    bufferBytes: 2 ** 30,
    matrix: 4096,
    fmaGroups: 16_384,
    dispatches: 2000,
    repeats: 10,
    rounds: 7,
  },
  training: TRAINING,
};

const QUICK: typeof FULL = {
  ...FULL,
  batches: '1,32',
  contexts: '128',
  repeats: { rounds: 5, roundMs: 50 },
  kernelRepeats: { rounds: 5, roundMs: 5 },
  limits: { ...FULL.limits, rounds: 5 },
};

/** For a software GPU: says whether the bench runs, and nothing about speed. */
const TINY: typeof FULL = {
  models: 'tiny',
  weights: 'q8',
  batches: '1,3',
  contexts: '300',
  shards: 3,
  maxTokens: 12,
  repeats: { rounds: 2, roundMs: 1 },
  kernelRepeats: { rounds: 1, roundMs: 0 },
  limits: { bufferBytes: 2 ** 20, matrix: 128, fmaGroups: 1, dispatches: 20, repeats: 2, rounds: 2 },
  training: {
    config: { ...MODELS['tiny']!, layers: 1, maxPositions: 32 },
    rows: 2,
    rowLength: 16,
  },
};

const WEIGHTS = ['f32', 'f16', 'q8', 'q4'] as const;
const HALVES = ['f32', 'f16'] as const;

/** Throws with what is wrong. */
export function parseOptions(args: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string', default: SECTIONS.join() },
      models: { type: 'string' },
      weights: { type: 'string' },
      experts: { type: 'string', default: 'f16' },
      cache: { type: 'string', default: 'f16' },
      batches: { type: 'string' },
      contexts: { type: 'string' },
      shards: { type: 'string' },
      quick: { type: 'boolean', default: false },
      tiny: { type: 'boolean', default: false },
      swiftshader: { type: 'boolean', default: false },
      backend: { type: 'string' },
      memory: { type: 'string' },
      commit: { type: 'string' },
      out: { type: 'string' },
      llama: { type: 'string' },
    },
  });
  const scale = values.tiny ? TINY : values.quick ? QUICK : FULL;
  const models = (values.models ?? scale.models).split(',');
  for (const model of models) choose('--models', model, Object.keys(MODELS));
  const weights = (values.weights ?? scale.weights).split(',');
  const [experts, cache] = [
    choose('--experts', values.experts, HALVES),
    choose('--cache', values.cache, HALVES),
  ];
  const { swiftshader } = values;
  return {
    ...scale,
    sections: values.only.split(',').map((section) => choose('--only', section, SECTIONS)),
    models,
    formats: weights.map((format) => ({ weights: choose('--weights', format, WEIGHTS), experts, cache })),
    batches: numbers('--batches', values.batches ?? scale.batches),
    contexts: numbers('--contexts', values.contexts ?? scale.contexts),
    shards: values.shards === undefined ? scale.shards : numbers('--shards', values.shards)[0]!,
    out: values.out ?? 'docs/bench/gpu.json',
    backend: values.backend ?? (process.platform === 'linux' ? 'vulkan' : ''),
    commit: values.commit,
    memoryBytes: values.memory === undefined ? undefined : numbers('--memory', values.memory)[0]! * 2 ** 30,
    swiftshader,
    llama: values.llama,
  };
}

function choose<T extends string>(flag: string, text: string, known: readonly T[]): T {
  const found = known.find((one) => one === text);
  if (found === undefined) throw new Error(`${flag}: "${text}" is none of ${known.join(', ')}`);
  return found;
}

function numbers(flag: string, text: string): number[] {
  const values = text.split(',').map(Number);
  if (values.every((value) => Number.isInteger(value) && value > 0)) return values;
  throw new Error(`${flag}: "${text}" is not whole numbers above 0, with commas between`);
}
