/** Whole runs on a few rows of data: a base from nothing, then shards on it, interrupted and gone on with. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { memoryFiles } from '../../src/model/byte-source.ts';
import { openCheckpoint, type Checkpoint } from '../../src/model/checkpoint.ts';
import { fingerprint } from '../../src/model/fingerprint.ts';
import { readShardFile } from '../../src/model/shard-file.ts';
import { createWasmDevice } from '../../src/tensor/wasm/node.ts';
import { exportBase, runBase, type BaseRunRequest } from '../../src/train/base-run.ts';
import { baseRunSchema } from '../../src/train/config.ts';
import { encodeTrainer } from '../../src/train/run-files.ts';
import { tuneRunSchema } from '../../src/train/tune-config.ts';
import { exportTuned } from '../../src/train/tune-export.ts';
import { runTune, type TuneRunRequest } from '../../src/train/tune-run.ts';
import { byteTokenizer, byteVocabulary } from '../support/byte-tokenizer.ts';

const directory = mkdtempSync(join(tmpdir(), 'runs-'));
afterAll(() => rmSync(directory, { recursive: true }));

const row = (id: string, specialty: string | null, fields: object): string =>
  JSON.stringify({ id, source: 's', license: 'CC0-1.0', specialty, ...fields });
const chat = (question: string, answer: string): object => ({
  messages: [
    { role: 'user', content: question },
    { role: 'assistant', content: answer },
  ],
});

function writePart(part: string, rows: readonly string[]): void {
  mkdirSync(join(directory, part), { recursive: true });
  for (const split of ['train', 'valid']) {
    writeFileSync(join(directory, part, `${split}.jsonl.gz`), gzipSync(rows.join('\n')));
  }
}

writePart(
  'pretrain',
  Array.from({ length: 12 }, (_, i) => row(`p${i}`, null, { text: `abc abc abc ${i} abc` })),
);
writePart('sft', [
  ...Array.from({ length: 5 }, (_, i) => row(`n${i}`, 'neurology', chat(`head ${i}`, 'rest rest'))),
  ...Array.from({ length: 3 }, (_, i) => row(`t${i}`, 'tcm', chat(`qi ${i}`, 'ginseng'))),
]);
writePart('mcq', [
  row('m1', 'tcm', { question: 'Qi', options: { A: 'up', B: 'down' }, answer: 'A', qtype: 'single' }),
]);

const optimiser = {
  peakLearningRate: 5e-3,
  floor: 0.1,
  warmupSteps: 2,
  steps: 8,
  beta1: 0.9,
  beta2: 0.95,
  epsilon: 1e-8,
  weightDecay: 0.1,
  maxGradientNorm: 1,
};
const common = { seed: 7, rowLength: 48, rows: 2, optimiser, saveEvery: 3, validateEvery: 4 };
const baseConfig = baseRunSchema.parse({
  kind: 'base',
  ...common,
  parts: ['pretrain', 'sft', 'mcq'],
  model: {
    hiddenSize: 16,
    layers: 1,
    heads: 2,
    keyValueHeads: 1,
    headSize: 8,
    intermediateSize: 24,
    rmsNormEpsilon: 1e-6,
    ropeTheta: 10_000,
    maxPositions: 64,
  },
});
const shardsConfig = tuneRunSchema.parse({
  kind: 'tune',
  ...common,
  optimiser: { ...optimiser, weightDecay: 0 },
  specialties: ['neurology', 'tcm'],
  version: 'v1',
  routingEvery: 4,
  method: {
    kind: 'experts',
    pool: 'by-specialty',
    experts: 4,
    rank: 2,
    alpha: 4,
    topK: 2,
    activeShards: [1, 1, 0],
    balance: 0,
    zLoss: 0,
    jitter: 0,
  },
});

const { tokenizer } = byteTokenizer();
const data = {
  tokenizer,
  tokenizerFiles: { tokenizer: 'bytes', tokenizerConfig: '' },
  dataDirectory: directory,
  onStart: () => {},
};

/** A signal that aborts after a step, and the losses up to there. */
function watch(stopAfter: number) {
  const abort = new AbortController();
  const losses = new Map<number, number>();
  const onStep = (step: number, { loss }: { loss: number }): void => {
    losses.set(step, loss);
    if (step === stopAfter) abort.abort();
  };
  return { losses, onStep, signal: abort.signal };
}

const metricsOf = (folder: string): Record<string, number>[] =>
  readFileSync(join(directory, folder, 'metrics.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line): Record<string, number> => JSON.parse(line));

async function trainBase(folder: string, stopAfter: number, changes: Partial<BaseRunRequest> = {}) {
  const device = await createWasmDevice({ threads: 1, bankBytes: 64 << 20 });
  try {
    const { losses, onStep, signal } = watch(stopAfter);
    const request = { config: baseConfig, device, ...data, folder: join(directory, folder), onStep, signal };
    const run = await runBase({ ...request, ...changes });
    const files = await exportBase(device, run.trainer, run.model);
    const resume = await encodeTrainer(device, run.trainer, run.run, 'compact');
    return { losses, files, tokens: run.tokens, run: run.run, resume };
  } finally {
    await device.dispose();
  }
}

async function trainShards(
  checkpoint: Checkpoint,
  folder: string,
  stopAfter: number,
  changes: Partial<TuneRunRequest> = {},
) {
  const device = await createWasmDevice({ threads: 1, bankBytes: 64 << 20 });
  try {
    const baseFingerprint = await fingerprint(checkpoint);
    const { losses, onStep, signal } = watch(stopAfter);
    const rows: Record<string, number> = {};
    const run = await runTune({
      config: shardsConfig,
      device,
      checkpoint,
      baseFingerprint,
      ...data,
      onStart: (facts) => void Object.assign(rows, facts.rows),
      folder: join(directory, folder),
      onStep,
      signal,
      ...changes,
    });
    const origin = { baseFingerprint, created: new Date(0), run: run.run, licence: 'Apache-2.0' };
    const files = await exportTuned(device, run, origin);
    return { losses, files, rows, run: run.run };
  } finally {
    await device.dispose();
  }
}

describe('a run', () => {
  let base: Awaited<ReturnType<typeof trainBase>>;
  let checkpoint: Checkpoint;
  beforeAll(async () => {
    base = await trainBase('base', Infinity);
    checkpoint = await openCheckpoint(memoryFiles(base.files));
  });

  test('goes on elsewhere from its compact file, for more steps, when the config says whose run it continues', async () => {
    const optimiser = { ...baseConfig.optimiser, steps: 10 };
    const config = { ...baseConfig, optimiser, continues: base.run };
    const more = await trainBase('continued', Infinity, { config, resumeFrom: base.resume });
    expect([...more.losses.keys()]).toEqual([9, 10]);
    expect(more.losses.get(9)!).toBeLessThan(base.losses.get(1)!);
    const stranger = { ...baseConfig, optimiser };
    await expect(
      trainBase('stranger', Infinity, { config: stranger, resumeFrom: base.resume }),
    ).rejects.toMatchObject({ code: 'resume_mismatch' });
  });

  test('of a base learns, validates and saves as its config says, and its checkpoint can be opened', () => {
    expect([...base.losses.keys()]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(base.losses.get(8)!).toBeLessThan(base.losses.get(1)!);
    expect(base.losses.get(1)!).toBeCloseTo(Math.log(byteVocabulary), 0);
    expect(base.tokens).toBe(8 * 2 * 48);
    const metrics = metricsOf('base');
    expect(metrics.flatMap(({ loss, step }) => (loss === undefined ? [] : [step]))).toHaveLength(8);
    const validations = metrics.flatMap(({ validation, step }) => (validation === undefined ? [] : [step]));
    expect(new Set(validations)).toEqual(new Set([4, 8]));
    expect(checkpoint.config).toMatchObject({ ...baseConfig.model, vocabularySize: byteVocabulary });
  });

  test('of a base that was stopped goes on to the same bits', async () => {
    const first = await trainBase('base-stopped', 5);
    expect(first.tokens).toBe(5 * 2 * 48);
    const second = await trainBase('base-stopped', Infinity);
    expect([...second.losses.keys()]).toEqual([6, 7, 8]);
    expect(new Map([...first.losses, ...second.losses])).toEqual(base.losses);
    expect(Buffer.compare(second.files['model.safetensors']!, base.files['model.safetensors']!)).toBe(0);
  });

  test('of another config does not go on from a folder', async () => {
    const config = { ...baseConfig, seed: 8 };
    await expect(trainBase('base', Infinity, { config })).rejects.toMatchObject({ code: 'resume_mismatch' });
  });

  test('of shards gives a file for each specialty, stopped or not, that fits its base and no other', async () => {
    const straight = await trainShards(checkpoint, 'shards', Infinity);
    expect(Object.keys(straight.rows)).toEqual(['neurology', 'tcm']);
    expect(straight.losses.get(8)!).toBeLessThan(straight.losses.get(1)!);
    const first = await trainShards(checkpoint, 'shards-stopped', 4);
    const second = await trainShards(checkpoint, 'shards-stopped', Infinity);
    expect(new Map([...first.losses, ...second.losses])).toEqual(straight.losses);
    expect(second.files).toEqual(straight.files);
    const baseFingerprint = await fingerprint(checkpoint);
    for (const specialty of shardsConfig.specialties) {
      const bytes = straight.files.get(`${specialty}/v1.safetensors`)!;
      const file = await readShardFile(bytes, { config: checkpoint.config, baseFingerprint });
      expect(file.metadata).toMatchObject({ specialty, version: 'v1', rank: 2, alpha: 4, topK: 2 });
      expect(file.metadata.trainingRun).toBe(straight.run);
      expect(file.experts).toBe(4);
      // Of a fresh expert B is zero: it has been trained.
      expect(file.layers[0]!.linears.down_proj!.B.some((value) => value !== 0)).toBe(true);
      const other = readShardFile(bytes, { baseFingerprint: '0'.repeat(64) });
      await expect(other).rejects.toMatchObject({ code: 'shard_other_base' });
    }
    expect(straight.files.get('tcm/v1.safetensors')).not.toEqual(
      straight.files.get('neurology/v1.safetensors'),
    );
  });

  test('of a specialty without rows is refused before anything is trained', async () => {
    const config = { ...shardsConfig, specialties: ['neurology', 'oncology'] };
    await expect(trainShards(checkpoint, 'empty', Infinity, { config })).rejects.toMatchObject({
      code: 'no_rows',
      message: expect.stringContaining('oncology'),
    });
  });

  test('whose state cannot be read stops, and does not write over it', async () => {
    const state = join(directory, 'unreadable', 'state.safetensors');
    mkdirSync(state, { recursive: true });
    await expect(trainBase('unreadable', Infinity)).rejects.toMatchObject({ code: 'unreadable_state' });
  });
});
