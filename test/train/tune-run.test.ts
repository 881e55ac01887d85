/** Fine-tuning runs of every method and variant, interrupted and gone on with, on data that must not change. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ADAPTED_LINEARS, type AdaptedLinear } from '../../src/base/shard-tensors.ts';
import { createReferenceDevice } from '../../src/tensor/reference/reference-device.ts';
import { readTensor } from '../../src/tensor/tensors.ts';
import { Scorer } from '../../src/train/scorer.ts';
import type { TuneMethod } from '../../src/train/tune-config.ts';
import { Trainer } from '../../src/train/trainer.ts';
import { trainerOptions } from '../../src/train/tune-run.ts';
import { exportTuned } from '../../src/train/tune-export.ts';
import { routeOf, tunePool } from '../../src/train/tune-pool.ts';
import { openCheckpoint } from '../../src/model/checkpoint.ts';
import { memoryFiles } from '../../src/model/byte-source.ts';
import { readShardFile } from '../../src/model/shard-file.ts';
import type { TinyModel } from '../support/tiny-model.ts';
import {
  BY_SPECIALTY,
  CONTRAST,
  EVERYTHING,
  SHARED,
  SPECIALTIES,
  metricsOf,
  openDevice,
  tune,
  tuneBase,
  tuneConfig,
  writeTuneData,
} from '../support/tiny-tuning.ts';

const directory = mkdtempSync(join(tmpdir(), 'tune-'));
afterAll(() => rmSync(directory, { recursive: true }));
let model: TinyModel;
beforeAll(async () => {
  writeTuneData(join(directory, 'data'));
  model = await tuneBase();
});

const variants = ['batch', 'queue', 'full', 'routing', 'constant'] as const;
const methods: [string, TuneMethod][] = [
  ['full', { kind: 'full' }],
  ['LoRA', { ...SHARED, experts: 1, topK: 1, rank: 8 }],
  ['LoRA-MoE', SHARED],
  ...variants.map((variant): [string, TuneMethod] => [
    `contrast ${variant}`,
    { ...EVERYTHING, prior: { strength: 1 }, contrast: { ...CONTRAST, variant } },
  ]),
  [
    'by specialty, everything',
    { ...BY_SPECIALTY, balance: 0.02, zLoss: 0.01, jitter: 0.1, contrast: CONTRAST },
  ],
  ['down alone', { ...BY_SPECIALTY, adapted: ['down_proj'] }],
  ['LoRA on attention', { ...SHARED, experts: 1, topK: 1, rank: 4, adapted: ['v_proj', 'q_proj'] }],
  ['everything, everywhere', { ...EVERYTHING, adapted: [...ADAPTED_LINEARS] }],
];

const windows = [
  { ids: [256, 104, 105, 257], mask: Uint8Array.of(0, 1, 1, 1) },
  { ids: [256, 113, 105, 32, 49, 257], mask: Uint8Array.of(0, 0, 0, 1, 1, 1) },
];

describe.each(methods)('a run: %s', (name, method) => {
  test('learns, and goes on to the same bits after it was stopped', async () => {
    const config = tuneConfig(method);
    const straight = await tune(directory, `${name}-straight`, model, config);
    expect(straight.end).toBe('finished');
    expect([...straight.losses.keys()]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(straight.losses.get(8)!).toBeLessThan(straight.losses.get(1)!);
    const first = await tune(directory, `${name}-stopped`, model, config, { stopAfter: 5 });
    expect(first.end).toBe('interrupted');
    const second = await tune(directory, `${name}-stopped`, model, config);
    expect(second.step).toBe(5);
    expect(new Map([...first.losses, ...second.losses])).toEqual(straight.losses);
    // Weights, moments, queues, their owners and heads.
    const state = (folder: string): Buffer => readFileSync(join(directory, folder, 'state.safetensors'));
    expect(Buffer.compare(state(`${name}-stopped`), state(`${name}-straight`))).toBe(0);
    for (const { device } of [straight, first, second]) await device.dispose();
  });

  test('reports what its config asks for', () => {
    const lines = metricsOf(directory, `${name}-straight`);
    const steps = lines.filter(({ loss }) => loss !== undefined);
    expect(steps).toHaveLength(8);
    const has = (key: string): boolean => steps.every((line) => Number.isFinite(line[key]));
    expect(has('ms') && has('tokens') && has('gradientNorm')).toBe(true);
    const extras = method.kind === 'experts' ? method : { balance: 0, zLoss: 0, contrast: undefined };
    expect(has('contrast')).toBe(extras.contrast !== undefined);
    expect(has('balance')).toBe(extras.balance > 0);
    expect(has('zLoss')).toBe(extras.balance > 0);
    const validations = lines.filter(({ validation }) => validation !== undefined);
    expect(validations.map(({ step }) => step)).toEqual([4, 8]);
    expect(Object.keys(Object(validations[0]!['bySpecialty']))).toEqual(SPECIALTIES);
    const looks = lines.filter(({ routing }) => routing !== undefined);
    expect(looks.map(({ step }) => step)).toEqual(method.kind === 'full' ? [] : [4, 8]);
  });

  test('is scored from the network and from its files alike', async () => {
    const config = tuneConfig(method);
    const run = await tune(directory, `${name}-straight`, model, config);
    expect(run.losses.size).toBe(0);
    const before = run.device.memory();
    const active = [routeOf(config, 'tcm'), routeOf(config, 'neurology')];
    const live = await Scorer.of(run.device, run.trainer.network, tunePool(config)?.pool ?? null).score(
      windows,
      active,
    );
    expect(run.device.memory()).toEqual(before);
    const files = await exportTuned(run.device, run, {
      baseFingerprint: model.fingerprint,
      created: new Date(0),
      run: run.run,
      licence: 'Apache-2.0',
    });
    const shards = [];
    for (const [path, bytes] of files) {
      if (path.endsWith('v1.safetensors'))
        shards.push(await readShardFile(bytes, { config: model.config, use: 'training' }));
    }
    const checkpoint =
      method.kind === 'full'
        ? await openCheckpoint(memoryFiles(Object.fromEntries(files)))
        : model.checkpoint;
    const device = await openDevice();
    const scorer = await Scorer.create(device, checkpoint, shards, { rows: 2, rowLength: 48 });
    const filed = await scorer.score(windows, active);
    // Files are F16.
    for (const [i, score] of filed.entries()) expect(Math.abs(score / live[i]! - 1)).toBeLessThan(5e-3);
    expect(Math.abs(live[0]! - live[1]!)).toBeGreaterThan(0.01);
    await device.dispose();
    await run.device.dispose();
  });
});

describe('a folder', () => {
  test('does not go on with other data, another base or another config', async () => {
    const config = tuneConfig(SHARED);
    const other = join(directory, 'other');
    writeTuneData(join(other, 'data'), 2);
    const again = (changes: Parameters<typeof tune>[4], run = config) =>
      tune(directory, 'LoRA-MoE-straight', model, run, changes);
    await expect(again({ dataDirectory: join(other, 'data') })).rejects.toMatchObject({
      code: 'resume_data_changed',
    });
    await expect(again({ baseFingerprint: 'f'.repeat(64) })).rejects.toMatchObject({
      code: 'resume_base_changed',
    });
    await expect(again({}, { ...config, seed: 8 })).rejects.toMatchObject({ code: 'resume_config_changed' });
  });
});

test('what is trained is counted: adapters of the experts, and projectors beside them', async () => {
  const run = await tune(directory, 'counted', model, tuneConfig(EVERYTHING), { stopAfter: 1 });
  const [C, F, S, R, layers, d] = [16, 24, 4, 2, 2, 8];
  const linears = 2 * R * (C + F) + R * (F + C);
  expect(run.trainedParameters).toBe(layers * S * (C + linears));
  expect(run.auxiliaryParameters).toBe(layers * 3 * d * R);
  const queue = run.trainer.network.memories().get('queue.0.keys')!;
  expect(queue.shape).toEqual([S * CONTRAST.queueSize, d]);
  expect((await readTensor(run.device, queue)).some((value) => value !== 0)).toBe(true);
  await run.device.dispose();
});

test.each([
  [['down_proj'], 1, 24 + 16],
  [['q_proj', 'v_proj'], 1, 16 + 16 + (16 + 8)],
  [['o_proj', 'up_proj', 'k_proj'], 2, 16 + 24 + (16 + 8) + (16 + 16)],
] satisfies [AdaptedLinear[], number, number][])(
  'a linear without experts has no parameters, and a half of the layer without any no gate: %s',
  (adapted, gates, sizes) => {
    const [C, S, R, layers] = [16, 4, 2, 2];
    const options = trainerOptions(tuneConfig({ ...SHARED, adapted }), model.config);
    const { trained } = new Trainer(createReferenceDevice(), options).parameters;
    expect(trained).toBe(layers * S * (gates * C + R * sizes));
  },
);
