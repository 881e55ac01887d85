/** What a run takes is known before it starts, to the byte, for every kind of network. */
import { describe, expect, test } from 'vitest';
import { ADAPTED_LINEARS } from '../../src/base/shard-tensors.ts';
import { createWasmDevice } from '../../src/tensor/wasm/node.ts';
import { MEMORY_PARTS, estimateMemory, requireMemory, showBytes } from '../../src/train/memory-estimate.ts';
import { poolShape } from '../../src/train/shard-routes.ts';
import { Trainer, type TrainerOptions } from '../../src/train/trainer.ts';
import { tuneRunSchema } from '../../src/train/tune-config.ts';
import { trainerOptions } from '../../src/train/tune-run.ts';
import { ADAMW, POOL, RANK, randomBatch, smallModel, withShards } from '../support/tiny-trainer.ts';

const { config } = await smallModel();
const schedule = { peak: 1e-3, warmupSteps: 1, totalSteps: 10, floor: 1 };
const batch = { B: 3, T: 12 };
const base: TrainerOptions = { config, batch, trainBase: true, experts: null, adamw: ADAMW, schedule };
const experts: TrainerOptions = { ...base, trainBase: false, experts: poolShape(POOL, RANK, batch.B) };

const tuned = (contrast: object = {}, method: object = {}): TrainerOptions => {
  const { maxNorm, ...adamw } = ADAMW;
  const run = tuneRunSchema.parse({
    kind: 'tune',
    seed: 1,
    rowLength: 16,
    rows: 2,
    optimiser: {
      peakLearningRate: 1e-3,
      floor: 0.1,
      warmupSteps: 1,
      steps: 10,
      ...adamw,
      maxGradientNorm: maxNorm,
    },
    saveEvery: 5,
    validateEvery: 5,
    routingEvery: 5,
    specialties: ['neurology', 'tcm'],
    version: 'v1',
    method: {
      kind: 'experts',
      pool: 'by-specialty',
      experts: 3,
      rank: 4,
      alpha: 8,
      topK: 2,
      activeShards: [1, 0, 0],
      balance: 0.01,
      zLoss: 0.001,
      jitter: 0.01,
      contrast: {
        variant: 'queue',
        temperature: 0.1,
        weight: 0.1,
        queueSize: 32,
        dimensions: 8,
        anchors: 8,
        warmupSteps: 0,
        ...contrast,
      },
      ...method,
    },
  });
  return trainerOptions(run, config);
};

describe('the estimate is what a run takes, from its first step to its last', () => {
  test.each([
    ['a base', base],
    ['experts', experts],
    ['experts with contrast and queue', tuned()],
    ['experts with contrast in the batch', tuned({ variant: 'batch' })],
    ['experts with contrast of whole outputs', tuned({ variant: 'full' })],
    ['experts of one linear', tuned({}, { adapted: ['down_proj'] })],
    ['experts of attention', tuned({ variant: 'batch' }, { adapted: ['v_proj', 'q_proj'] })],
    ['experts everywhere', tuned({ variant: 'full' }, { adapted: ADAPTED_LINEARS })],
  ])('%s', async (_name, options) => {
    const estimate = estimateMemory(options);
    const device = await createWasmDevice({ threads: 1, bankBytes: 64 << 20 });
    const trainer = new Trainer(device, options);
    await trainer.prepare();
    if (options === base) await trainer.train(randomBatch(1));
    if (options === experts) {
      const row = { shards: [0], priors: [1] };
      await trainer.train(withShards(randomBatch(1), [row, row, row]));
    }
    const { allocatedBytes, peakBytes } = device.memory();
    expect(estimate.deviceBytes).toBe(allocatedBytes);
    expect(estimate.deviceBytes).toBe(peakBytes);
    const parts = Object.values(estimate.parts).reduce((sum, bytes) => sum + bytes, 0);
    expect(parts).toBe(estimate.deviceBytes);
    expect(estimate.parts['trained weights']).toBe(trainer.network.trained.buffer.byteLength);
    await device.dispose();
  });
});

test('parts are what they say', () => {
  const [small, large] = [estimateMemory(tuned()), estimateMemory(tuned({ queueSize: 64 }))];
  const differ = MEMORY_PARTS.filter((part) => small.parts[part] !== large.parts[part]);
  expect(differ).toContain('queue');
  // 2 layers of 6 experts have 32 entries more: 8 values and an owner.
  expect(large.parts.queue - small.parts.queue).toBe(2 * 6 * 32 * (8 + 1) * 4);
  expect(estimateMemory(base).parts).toMatchObject({ 'frozen weights': 0, queue: 0, contrast: 0 });
  expect(estimateMemory(tuned({ variant: 'batch' })).parts.queue).toBe(0);
});

const refusal = (options: TrainerOptions, limit: number) => () =>
  requireMemory(estimateMemory(options), limit);

describe('a run that cannot fit', () => {
  test('is refused with what to lower: of what takes most', () => {
    const rows: TrainerOptions = { ...experts, batch: { B: 64, T: 512 } };
    expect(refusal(rows, 1 << 20)).toThrow(/may take 1\.0 MiB.*activations.*lower rows or rowLength/);
    expect(refusal(tuned({ queueSize: 4096 }), 1 << 20)).toThrow(/queue.*lower queueSize or dimensions/);
    expect(refusal(rows, 1 << 20)).toThrow(expect.objectContaining({ code: 'not_enough_memory' }));
  });

  test('is one that needs a byte more than there is', () => {
    const { deviceBytes, savingBytes } = estimateMemory(experts);
    refusal(experts, deviceBytes + savingBytes)();
    expect(refusal(experts, deviceBytes + savingBytes - 1)).toThrow('memory');
  });
});

test('sizes are shown in units that one can read', () => {
  expect([512, 1.5 * 2 ** 20, 2.25 * 2 ** 30].map(showBytes)).toEqual(['0.5 KiB', '1.5 MiB', '2.25 GiB']);
});
