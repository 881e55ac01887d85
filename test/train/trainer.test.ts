/** Steps of training: they learn, they are the same on every device, and they touch what they should and no more. */
import { describe, expect, test } from 'vitest';
import { InternalError } from '../../src/base/errors.ts';
import { createRandom } from '../../src/base/random.ts';
import { FINAL_NORM } from '../../src/model/parameters.ts';
import type { Device } from '../../src/tensor/device.ts';
import { createReferenceDevice } from '../../src/tensor/reference/reference-device.ts';
import { readTensor } from '../../src/tensor/tensors.ts';
import { createWasmDevice } from '../../src/tensor/wasm/node.ts';
import { stackRows } from '../../src/train/batches.ts';
import type { ActiveShards } from '../../src/train/shard-routes.ts';
import type { Batch, Trainer } from '../../src/train/trainer.ts';
import {
  baseTrainer,
  expertTrainer,
  packRow,
  randomBatch,
  randomDocument,
  readArena,
  smallModel,
  withShards,
} from '../support/tiny-trainer.ts';

const wasm = (threads: number): Promise<Device> => createWasmDevice({ threads, bankBytes: 64 << 20 });
const reference = async (): Promise<Device> => createReferenceDevice();

const active: ActiveShards[] = [
  { shards: [1], priors: [1] },
  { shards: [2, 0], priors: [5 / 8, 3 / 8] },
  { shards: [0, 1, 2], priors: [4 / 8, 2 / 8, 2 / 8] },
];

type Kind = (device: Device) => Promise<{ trainer: Trainer; batchAt: (step: number) => Batch }>;
const kinds: [string, Kind][] = [
  [
    'the base',
    async (device) => ({
      trainer: await baseTrainer(device, await smallModel()),
      batchAt: (step) => randomBatch(step % 4),
    }),
  ],
  [
    'experts',
    async (device) => ({
      trainer: await expertTrainer(device, await smallModel()),
      batchAt: (step) => withShards(randomBatch(step % 4), active),
    }),
  ],
];

/** Losses of 20 steps and the weights after them. */
async function trained(open: () => Promise<Device>, kind: Kind) {
  const device = await open();
  const { trainer, batchAt } = await kind(device);
  const results = [];
  for (let step = 0; step < 20; step++) results.push(await trainer.train(batchAt(step)));
  const weights = await readTensor(device, trainer.network.trained.whole);
  await device.dispose();
  return { results, weights };
}

describe.each(kinds)('20 steps: %s', (_kind, kind) => {
  test('the kernels train as the reference does', async () => {
    const [expected, actual] = [await trained(reference, kind), await trained(() => wasm(1), kind)];
    for (const [step, { loss, gradientNorm, tokens }] of actual.results.entries()) {
      const other = expected.results[step]!;
      expect(Math.abs(loss - other.loss), `loss of step ${step}`).toBeLessThan(1e-3);
      expect(Math.abs(gradientNorm / other.gradientNorm - 1), `norm of step ${step}`).toBeLessThan(1e-2);
      expect(tokens).toBe(other.tokens);
    }
    expect(Math.abs(actual.results[0]!.loss - expected.results[0]!.loss)).toBeLessThan(1e-5);
    expect(actual.results[19]!.loss).toBeLessThan(actual.results[3]!.loss);
  });

  test('two threads give the bits of one', async () => {
    const [one, two] = [await trained(() => wasm(1), kind), await trained(() => wasm(2), kind)];
    expect(two.results).toEqual(one.results);
    expect(Buffer.compare(Buffer.from(two.weights.buffer), Buffer.from(one.weights.buffer))).toBe(0);
  });
});

describe.each(kinds)('a step: %s', (_kind, kind) => {
  test('reports the mean loss of its targets before the update', async () => {
    const device = await reference();
    const { trainer, batchAt } = await kind(device);
    const batch = batchAt(1);
    const losses = await trainer.score(batch);
    const targets = [...batch.targets].filter((target) => target !== 0xffffffff).length;
    const result = await trainer.train(batch);
    expect(result.tokens).toBe(targets);
    expect(result.loss).toBeCloseTo(losses.reduce((sum, loss) => sum + loss, 0) / targets, 5);
    expect(result.learningRate).toBe(5e-3);
    const gradient = await readTensor(device, trainer.network.gradients.whole);
    const norm = Math.sqrt(gradient.reduce((sum, value) => sum + value * value, 0));
    expect(result.gradientNorm / norm).toBeCloseTo(1, 5);
    expect(trainer.step).toBe(1);
  });

  test('allocates nothing', async () => {
    for (const open of [reference, () => wasm(1)]) {
      const device = await open();
      const { trainer, batchAt } = await kind(device);
      const before = device.memory();
      for (let step = 0; step < 3; step++) await trainer.train(batchAt(step));
      await trainer.score(batchAt(0));
      expect(device.memory()).toEqual(before);
      expect(before.peakBytes).toBe(before.allocatedBytes);
      await device.dispose();
    }
  });

  test('scoring changes no weight, moment or step', async () => {
    const device = await reference();
    const { trainer, batchAt } = await kind(device);
    await trainer.train(batchAt(0));
    const state = async (): Promise<Float32Array[]> =>
      Promise.all(
        [trainer.network.trained.whole, trainer.optimizer.first, trainer.optimizer.second].map((tensor) =>
          readTensor(device, tensor),
        ),
      );
    const before = await state();
    await trainer.score(batchAt(3));
    expect(await state()).toEqual(before);
    expect(trainer.step).toBe(1);
  });
});

test('a batch without a single target has loss 0 and changes nothing', async () => {
  const device = await reference();
  const trainer = await baseTrainer(device, await smallModel());
  const before = await readTensor(device, trainer.network.trained.whole);
  const result = await trainer.train(randomBatch(1, 0));
  expect(result).toMatchObject({ loss: 0, tokens: 0, gradientNorm: 0 });
  expect(await readTensor(device, trainer.network.trained.whole)).toEqual(before);
});

describe('a tiny model learns a text by heart', () => {
  const random = createRandom(77);
  const rows = [0, 1].map(() => packRow([randomDocument(12, random)]));
  const text = stackRows(rows);
  const choices = { rows: 2, schedule: { peak: 1e-2, warmupSteps: 5, totalSteps: 120, floor: 0.1 } };

  test('as a base', async () => {
    const device = await wasm(1);
    const trainer = await baseTrainer(device, await smallModel(), choices);
    const first = await trainer.train(text);
    let last = first;
    while (trainer.step < 120) last = await trainer.train(text);
    expect(first.loss).toBeGreaterThan(3);
    expect(last.loss).toBeLessThan(0.02);
    await device.dispose();
  });

  test('as experts on a frozen base, which keeps every bit', async () => {
    const device = await wasm(1);
    const model = await smallModel();
    // The frozen head of random weights could not be sure of anything: its logits end near 4.
    const gain = model.tensors.get(FINAL_NORM)!.map((value) => value * 5);
    const sure = { ...model, tensors: new Map([...model.tensors, [FINAL_NORM, gain]]) };
    const trainer = await expertTrainer(device, sure, choices);
    const frozen = trainer.network.frozen!;
    const before = await readTensor(device, frozen.whole);
    const batch = withShards(text, [
      { shards: [0], priors: [1] },
      { shards: [1, 2], priors: [6 / 8, 2 / 8] },
    ]);
    const first = await trainer.train(batch);
    let last = first;
    while (trainer.step < 120) last = await trainer.train(batch);
    expect(first.loss).toBeGreaterThan(3);
    expect(last.loss).toBeLessThan(0.1);
    expect(await readTensor(device, frozen.whole)).toEqual(before);
    await device.dispose();
  });
});

test('a row of one specialty changes the tensors of its shard and no others', async () => {
  const device = await wasm(1);
  const trainer = await expertTrainer(device, await smallModel());
  const arena = trainer.network.trained;
  const before = await readArena(device, arena);
  const alone: ActiveShards = { shards: [1], priors: [1] };
  for (const seed of [1, 2, 3]) await trainer.train(withShards(randomBatch(seed), [alone, alone, alone]));
  const after = await readArena(device, arena);
  for (const [name, values] of after) {
    const size = values.length / 4;
    for (let shard = 0; shard < 4; shard++) {
      const part = (all: Float32Array): number[] => [...all.subarray(shard * size, (shard + 1) * size)];
      const [now, then] = [part(values), part(before.get(name)!)];
      if (shard === 1) expect(now, `${name}, trained`).not.toEqual(then);
      else expect(now, `${name}, shard ${shard}`).toEqual(then);
    }
  }
  await device.dispose();
});

describe('a loss that is no number', () => {
  const diverging = { schedule: { peak: 1e30, warmupSteps: 1 } };

  test.each([
    ['reference', reference],
    ['wasm', () => wasm(1)],
  ] satisfies [string, () => Promise<Device>][])('stops the run with an error: %s', async (_device, open) => {
    const device = await open();
    const trainer = await baseTrainer(device, await smallModel(), diverging);
    const run = async (): Promise<void> => {
      for (let step = 0; step < 4; step++) await trainer.train(randomBatch(step));
    };
    const error = await run().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(InternalError);
    expect(error).toMatchObject({ code: 'loss_not_finite' });
    await device.dispose();
  });
});
