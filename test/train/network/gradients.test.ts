/** The gradient of the whole network, held against central differences of its own loss in double precision. */
import { describe, expect, test } from 'vitest';
import type { KernelSpec } from '../../../kernels/kernel.ts';
import { createRandom } from '../../../src/base/random.ts';
import type { Device, Tensor } from '../../../src/tensor/device.ts';
import { createReferenceDevice } from '../../../src/tensor/reference/reference-device.ts';
import { createTensor, elements, readTensor, writeTensor } from '../../../src/tensor/tensors.ts';
import type { ActiveShards } from '../../../src/train/shard-routes.ts';
import type { Batch, Trainer } from '../../../src/train/trainer.ts';
import {
  baseTrainer,
  expertTrainer,
  randomBatch,
  smallModel,
  withShards,
} from '../../support/tiny-trainer.ts';

const STEP = 2 ** -12;
/** Elements of each tensor that are moved. */
const SAMPLE = 5;

/** A device rounds what it gives out; in two parts a double comes through with 48 bits. */
const split: KernelSpec = {
  name: 'split',
  bindings: [
    { name: 'x', access: 'read', type: 'f32' },
    { name: 'high', access: 'write', type: 'f32' },
    { name: 'low', access: 'write', type: 'f32' },
  ],
  params: [],
  items: () => 1,
  reference({ x, high, low }) {
    for (const [i, value] of x!.entries()) {
      high![i] = Math.fround(value);
      low![i] = value - Math.fround(value);
    }
  },
};

/** Runs forward and backward, and gives the loss as a function of the weights as they then are. */
async function differentiate(device: Device, trainer: Trainer, batch: Batch): Promise<() => Promise<number>> {
  const { network } = trainer;
  // A step at a rate of next to nothing loads the batch and leaves the gradients.
  await trainer.train(batch);
  const [high, low] = ['high', 'low'].map((name) => createTensor(device, name, network.loss.shape));
  return async () => {
    const parts = { kernel: split, bindings: { x: network.loss, high: high!, low: low! }, params: {} };
    await device.submit([...network.forward, ...network.lossOnly, parts]);
    const [wide, rest] = [await readTensor(device, high!), await readTensor(device, low!)];
    return wide.reduce((sum, value, i) => sum + value + rest[i]!, 0);
  };
}

/** Largest difference between gradient and central difference, relative to the tensor's largest gradient. */
async function worstElement(
  device: Device,
  weight: Tensor,
  gradient: Float32Array,
  loss: () => Promise<number>,
): Promise<number> {
  const values = await readTensor(device, weight);
  const random = createRandom(values.length);
  const largest = gradient.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const scale = Math.max(largest, 1e-6);
  // The largest gradient is checked always: a sample of zeros would prove nothing.
  const sample = [gradient.findIndex((value) => Math.abs(value) === largest)];
  while (sample.length < SAMPLE) sample.push(random.integer(values.length));
  let worst = 0;
  for (const index of sample) {
    const lossAt = async (value: number): Promise<number> => {
      await writeTensor(device, weight, values.with(index, value));
      return loss();
    };
    const [above, below] = [Math.fround(values[index]! + STEP), Math.fround(values[index]! - STEP)];
    const numeric = ((await lossAt(above)) - (await lossAt(below))) / (above - below);
    worst = Math.max(worst, Math.abs(numeric - gradient[index]!) / scale);
  }
  await writeTensor(device, weight, values);
  return worst;
}

async function worstOfAll(
  device: Device,
  trainer: Trainer,
  batch: Batch,
): Promise<Map<string, { worst: number; largest: number }>> {
  const loss = await differentiate(device, trainer, batch);
  const found = new Map<string, { worst: number; largest: number }>();
  for (const [name, weight] of trainer.network.trained.tensors) {
    const gradient = await readTensor(device, trainer.network.gradients.tensors.get(name)!);
    expect(gradient.length).toBe(elements(weight.shape));
    const largest = gradient.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    found.set(name, { worst: await worstElement(device, weight, gradient, loss), largest });
  }
  return found;
}

/** So small a rate leaves every weight as it is, in float32. */
const STILL = { schedule: { peak: 1e-30 } };

describe('the gradient is that of the loss', () => {
  test.each([
    ['a tied head', {}],
    ['a head of its own, one key head', { tiedHead: false, keyValueHeads: 1, layers: 1 }],
  ])('of every tensor of the base: %s', async (_title, sizes) => {
    const device = createReferenceDevice({ precision: 'f64' });
    const trainer = await baseTrainer(device, await smallModel(sizes), STILL);
    const found = await worstOfAll(device, trainer, randomBatch(31, 0.7));
    for (const [name, { worst, largest }] of found) {
      expect(worst, name).toBeLessThan(1e-5);
      expect(largest, name).toBeGreaterThan(1e-4);
    }
  });

  test.each([
    [
      'one shard, two and three',
      [
        { shards: [1], priors: [1] },
        { shards: [0, 2], priors: [5 / 8, 3 / 8] },
        { shards: [2, 1, 0], priors: [4 / 8, 2 / 8, 2 / 8] },
      ],
    ],
    [
      'a row of the base alone beside one shard',
      [
        { shards: [], priors: [] },
        { shards: [0], priors: [1] },
        { shards: [1, 2], priors: [7 / 8, 1 / 8] },
      ],
    ],
  ] satisfies [string, ActiveShards[]][])(
    'of gates and experts of the active shards, and zero for the others: %s',
    async (_title, active) => {
      const device = createReferenceDevice({ precision: 'f64' });
      const trainer = await expertTrainer(device, await smallModel(), STILL);
      const batch = withShards(randomBatch(32, 0.7), active);
      const found = await worstOfAll(device, trainer, batch);
      for (const [name, { worst, largest }] of found) {
        expect(worst, name).toBeLessThan(1e-5);
        expect(largest, name).toBeGreaterThan(1e-4);
        const gradient = await readTensor(device, trainer.network.gradients.tensors.get(name)!);
        const unused = gradient.subarray((gradient.length / 4) * 3);
        expect(
          unused.every((value) => value === 0),
          `${name} of the shard without rows`,
        ).toBe(true);
      }
    },
  );
});
