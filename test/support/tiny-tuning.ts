/** Whole fine-tuning runs of a few steps: a tiny base, a few rows of data for three specialties, one thread. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { readShardFile, type ShardFile } from '../../src/model/shard-file.ts';
import { createWasmDevice } from '../../src/tensor/wasm/node.ts';
import type { Device } from '../../src/tensor/device.ts';
import { tuneRunSchema, type ExpertsMethod, type TuneRunConfig } from '../../src/train/tune-config.ts';
import { exportTuned } from '../../src/train/tune-export.ts';
import { runTune, type TuneRun, type TuneRunRequest } from '../../src/train/tune-run.ts';
import { byteTokenizer, byteVocabulary } from './byte-tokenizer.ts';
import { tinyModel, type TinyModel } from './tiny-model.ts';

export const SPECIALTIES = ['neurology', 'oncology', 'tcm'];

export const CONTRAST = {
  variant: 'queue' as const,
  temperature: 0.2,
  weight: 0.5,
  queueSize: 6,
  dimensions: 8,
  anchors: 12,
  warmupSteps: 2,
};

export const SHARED = {
  kind: 'experts' as const,
  pool: 'shared' as const,
  experts: 4,
  rank: 2,
  alpha: 4,
  topK: 2,
  balance: 0,
  zLoss: 0,
  jitter: 0,
} satisfies ExpertsMethod;

/** All options at once. */
export const EVERYTHING = {
  ...SHARED,
  balance: 0.02,
  zLoss: 0.001,
  jitter: 0.05,
  contrast: CONTRAST,
} satisfies ExpertsMethod;

export const BY_SPECIALTY = {
  ...SHARED,
  pool: 'by-specialty' as const,
  experts: 2,
  activeShards: [1, 1, 1] as [number, number, number],
} satisfies ExpertsMethod;

export function tuneConfig(method: TuneRunConfig['method'], changes: Partial<TuneRunConfig> = {}) {
  return tuneRunSchema.parse({
    kind: 'tune',
    seed: 7,
    rowLength: 48,
    rows: 2,
    optimiser: {
      peakLearningRate: 5e-3,
      floor: 0.1,
      warmupSteps: 2,
      steps: 8,
      beta1: 0.9,
      beta2: 0.95,
      epsilon: 1e-8,
      weightDecay: 0.1,
      maxGradientNorm: 1,
    },
    saveEvery: 3,
    validateEvery: 4,
    routingEvery: 4,
    method,
    specialties: SPECIALTIES,
    version: 'v1',
    ...changes,
  });
}

const row = (id: string, specialty: string, question: string, answer: string): string =>
  JSON.stringify({
    id,
    source: 's',
    license: 'CC0-1.0',
    specialty,
    messages: [
      { role: 'user', content: question },
      { role: 'assistant', content: answer },
    ],
  });

/** Writes the data that runs are made from; `extra` rows make it other data. */
export function writeTuneData(directory: string, extra = 0): void {
  const rows = [
    ...Array.from({ length: 6 + extra }, (_, i) => row(`n${i}`, 'neurology', `head ${i}`, 'rest and rest')),
    ...Array.from({ length: 5 }, (_, i) => row(`o${i}`, 'oncology', `lump ${i}`, 'see a doctor')),
    ...Array.from({ length: 4 }, (_, i) => row(`t${i}`, 'tcm', `qi ${i}`, 'ginseng root')),
  ];
  const mcq = JSON.stringify({
    id: 'm1',
    source: 's',
    license: 'CC0-1.0',
    specialty: 'tcm',
    question: 'Qi',
    options: { A: 'up', B: 'down' },
    answer: 'A',
    qtype: 'single',
  });
  for (const [part, lines] of [
    ['sft', rows],
    ['mcq', [mcq]],
  ] as const) {
    mkdirSync(join(directory, part), { recursive: true });
    for (const split of ['train', 'valid']) {
      writeFileSync(join(directory, part, `${split}.jsonl.gz`), gzipSync(lines.join('\n')));
    }
  }
}

export function tuneBase(): Promise<TinyModel> {
  return tinyModel({
    hiddenSize: 16,
    layers: 2,
    heads: 2,
    keyValueHeads: 1,
    headSize: 8,
    intermediateSize: 24,
    vocabularySize: byteVocabulary,
    maxPositions: 64,
  });
}

export const openDevice = (): Promise<Device> => createWasmDevice({ threads: 1, bankBytes: 64 << 20 });

export interface Tuned extends TuneRun {
  readonly device: Device;
  readonly losses: ReadonlyMap<number, number>;
}

/** Runs in `directory`/`name`; the caller disposes of the device. */
export async function tune(
  directory: string,
  name: string,
  model: TinyModel,
  config: TuneRunConfig,
  { stopAfter = Infinity, ...changes }: Partial<TuneRunRequest> & { stopAfter?: number } = {},
): Promise<Tuned> {
  const device = changes.device ?? (await openDevice());
  const abort = new AbortController();
  const losses = new Map<number, number>();
  try {
    const run = await runTune({
      config,
      device,
      checkpoint: model.checkpoint,
      baseFingerprint: model.fingerprint,
      tokenizer: byteTokenizer().tokenizer,
      tokenizerFiles: { tokenizer: 'bytes', tokenizerConfig: '' },
      dataDirectory: join(directory, 'data'),
      folder: join(directory, name),
      onStart: () => {},
      onStep: (step, { loss }) => {
        losses.set(step, loss);
        if (step === stopAfter) abort.abort();
      },
      signal: abort.signal,
      ...changes,
    });
    return { ...run, device, losses };
  } catch (error) {
    await device.dispose();
    throw error;
  }
}

export async function shardFiles(run: Tuned, model: TinyModel): Promise<Map<string, ShardFile>> {
  const origin = {
    baseFingerprint: model.fingerprint,
    created: new Date(0),
    run: run.run,
    licence: 'Apache-2.0',
  };
  const files = new Map<string, ShardFile>();
  for (const [path, bytes] of await exportTuned(run.device, run, origin)) {
    files.set(path.split('/')[0]!, await readShardFile(bytes, { config: model.config, use: 'training' }));
  }
  return files;
}

export interface MetricLine {
  readonly step: number;
  readonly [name: string]: unknown;
}

export function metricsOf(directory: string, name: string): MetricLine[] {
  const lines = readFileSync(join(directory, name, 'metrics.jsonl'), 'utf8')
    .trimEnd()
    .split('\n');
  return lines.map((line): MetricLine => JSON.parse(line));
}
