/** The contrastive loss in training: memory that does not grow, queues, the control that cheats, and scoring without it. */
import { describe, expect, test } from 'vitest';
import { createReferenceDevice } from '../../../src/tensor/reference/reference-device.ts';
import { NONE } from '../../../src/tensor/device.ts';
import { readTensor } from '../../../src/tensor/tensors.ts';
import type { ContrastOptions } from '../../../src/train/contrast/options.ts';
import { RoutingLook } from '../../../src/train/routing-look.ts';
import type { ShardPool } from '../../../src/train/shard-routes.ts';
import type { Batch, Trainer } from '../../../src/train/trainer.ts';
import {
  expertTrainer,
  randomBatch,
  smallModel,
  withAnchors,
  withShards,
} from '../../support/tiny-trainer.ts';

const POOL: ShardPool = { shards: 1, experts: 4, topK: 2 };
const ANCHORS = 12;
const [RANK, D, LAYERS] = [3, 8, 2];
const NAMES = ['first', 'second'];

const contrast = (changes: Partial<ContrastOptions>): ContrastOptions => ({
  variant: 'queue',
  temperature: 0.2,
  weight: 1,
  queueSize: 5,
  dimensions: D,
  anchors: ANCHORS,
  warmupSteps: 0,
  ...changes,
});

const routes = [0, 1, 2].map(() => ({ shards: [0], priors: [1] }));
const batchOf = (seed: number): Batch =>
  withAnchors(withShards(randomBatch(seed), routes, { pool: POOL }), ANCHORS, seed);

async function trainerWith(options: Partial<ContrastOptions> | null, extras = {}) {
  const device = createReferenceDevice();
  const routing = {
    balance: 0,
    zLoss: 0,
    jitter: 0,
    ...(options ? { contrast: contrast(options) } : {}),
    ...extras,
  };
  const trainer = await expertTrainer(device, await smallModel(), {
    pool: POOL,
    routing,
    schedule: { peak: 2e-2 },
  });
  return { device, trainer };
}

const variants = ['batch', 'queue', 'full', 'routing', 'constant'] as const;

const bytesOf = async (options: Partial<ContrastOptions> | null): Promise<number> =>
  (await trainerWith(options)).device.memory().allocatedBytes;
/** Tensors of an arena begin at multiples of 64 elements. */
const arena = (length: number): number => Math.ceil(length / 64) * 64;

describe('memory', () => {
  test.each(variants)('of %s is the same after many steps', async (variant) => {
    const { device, trainer } = await trainerWith({ variant });
    const before = device.memory();
    for (let step = 0; step < 12; step++) await trainer.train(batchOf(step));
    await trainer.score(batchOf(0));
    expect(device.memory()).toEqual(before);
    expect(before.peakBytes).toBe(before.allocatedBytes);
  });

  test('of the queue is what its config says', async () => {
    const [none, five, nine] = [
      await bytesOf(null),
      await bytesOf({ queueSize: 5 }),
      await bytesOf({ queueSize: 9 }),
    ];
    const M = ANCHORS * POOL.topK;
    // An entry: d numbers and an owner in each layer, and a column of the scores, which all layers share.
    const entry = 4 * (LAYERS * (D + 1) + M);
    expect(nine - five).toBe(4 * POOL.experts * entry);
    const words = [
      // Projectors, their gradients and moments.
      4 * LAYERS * 3 * arena(D * RANK),
      // Losses and weights.
      2 * LAYERS * arena(M),
      // Embeddings, owners, heads.
      LAYERS * (M * D + M + POOL.experts),
      // Places, index, specialty, unit, ones, z, its inverse, dz, dẑ, dg, rows and their gradients.
      3 * M + D + M + M * D + M + 2 * M * D + M + 2 * 3 * M * RANK,
    ];
    const scale = 16;
    expect(five - none).toBe(
      4 * words.reduce((sum, count) => sum + count) + scale + 5 * POOL.experts * entry,
    );
  });

  test('of in-batch contrast with as many negatives is more than that of the queue', async () => {
    const negatives = 64 * POOL.experts;
    const queue = await bytesOf({ queueSize: 64 });
    const batch = await bytesOf({ variant: 'batch', anchors: negatives / POOL.topK });
    expect(batch).toBeGreaterThan(2 * queue - (await bytesOf({ queueSize: 1 })));
  });
});

describe('the queue', () => {
  test('fills with embeddings of length 1 under their owners, and scoring leaves it alone', async () => {
    const { device, trainer } = await trainerWith({});
    const first = await trainer.train(batchOf(1));
    expect(first.contrast).toBe(0);
    expect((await trainer.train(batchOf(2))).contrast).toBeGreaterThan(0.1);
    const state = async (): Promise<Float32Array[]> =>
      Promise.all([...trainer.network.memories().values()].map((tensor) => readTensor(device, tensor)));
    const before = await state();
    await trainer.score(batchOf(3));
    expect(await state()).toEqual(before);
    const { keys, owner } = trainer.network.routing!.contrast!.mixtures[1]!.queue!;
    const values = await readTensor(device, keys);
    const owners = new Uint32Array(await device.read(owner.buffer, 0, owner.shape[0]! * 4));
    expect([...owners].some((slot) => slot !== NONE)).toBe(true);
    for (const [place, slot] of owners.entries()) {
      const length = Math.hypot(...values.subarray(place * D, (place + 1) * D));
      expect(length).toBeCloseTo(slot === NONE ? 0 : 1, 5);
      if (slot !== NONE) expect(slot).toBe(Math.floor(place / 5));
    }
  });

  test('of `full` is emptied where it goes over to whole outputs', async () => {
    const { trainer } = await trainerWith({ variant: 'full', warmupSteps: 3 });
    const losses = [];
    for (let step = 0; step < 5; step++) losses.push((await trainer.train(batchOf(step))).contrast!);
    expect(losses.map((loss) => loss > 0)).toEqual([false, true, true, false, true]);
  });
});

/** Steps on a few batches, then what the last ones look like. */
async function looked(options: Partial<ContrastOptions>) {
  const { device, trainer } = await trainerWith(options);
  let last = await trainer.train(batchOf(0));
  const look = new RoutingLook(device, trainer.network, NAMES);
  for (let step = 1; step < 60; step++) {
    const batch = batchOf(step % 4);
    last = await trainer.train(batch);
    if (step === 59) await look.add(batch);
  }
  return { last, ...look.finish() };
}

test('the control of constants makes the loss low and is found out by its within-expert variance', async () => {
  const control = await looked({ variant: 'constant' });
  const honest = await looked({ variant: 'queue' });
  // The loss cannot go below ln |P|: as many entries of an expert share its probability.
  const least = Math.log(contrast({}).queueSize);
  expect(control.last.contrast! - least).toBeLessThan(0.02);
  expect(control.last.contrast!).toBeLessThan(honest.last.contrast!);
  for (const { withinVariance } of control.routing) expect(withinVariance).toBeCloseTo(0, 5);
  for (const { withinVariance } of honest.routing) expect(withinVariance!).toBeGreaterThan(0.05);
  for (const { points } of honest.outputs) {
    expect(points.length).toBeGreaterThan(10);
    expect(points.every(({ specialty }) => NAMES.includes(specialty))).toBe(true);
  }
});

const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);

describe('a look at the routing', () => {
  test('counts the choices of tokens with a target', async () => {
    const { routing } = await looked({});
    for (const { load, loadBySpecialty, entropy, mutualInformation } of routing) {
      expect(load).toHaveLength(POOL.experts);
      for (const shares of [load, ...Object.values(loadBySpecialty)]) expect(total(shares)).toBeCloseTo(1, 6);
      expect(entropy).toBeGreaterThan(0);
      expect(entropy).toBeLessThanOrEqual(Math.log(POOL.experts) + 1e-6);
      expect(mutualInformation).toBeGreaterThanOrEqual(-1e-9);
    }
  });
});

test('jitter is there in training and not in scoring', async () => {
  const losses = async (trainer: Trainer, noise: number) => {
    const { loss, tokens } = await trainer.train({ ...batchOf(1), noise });
    return loss * tokens;
  };
  const still = { schedule: { peak: 1e-30 }, pool: POOL };
  const make = async (jitter: number): Promise<Trainer> =>
    expertTrainer(createReferenceDevice(), await smallModel(), {
      ...still,
      routing: { balance: 0, zLoss: 0, jitter },
    });
  const [plain, jittered] = [await make(0), await make(0.5)];
  expect(await jittered.score(batchOf(1))).toEqual(await plain.score(batchOf(1)));
  const [one, two, repeated] = [
    await losses(jittered, 1),
    await losses(jittered, 2),
    await losses(jittered, 1),
  ];
  expect(one).not.toBe(two);
  expect(repeated).toBe(one);
  expect(await jittered.score(batchOf(1))).toEqual(await plain.score(batchOf(1)));
});
