/** The gradient of the whole network, held against central differences of its own loss in double precision. */
import { describe, expect, test } from 'vitest';
import { ADAPTED_LINEARS, type AdaptedLinear } from '../../../src/base/shard-tensors.ts';
import type { Device } from '../../../src/tensor/device.ts';
import { createReferenceDevice } from '../../../src/tensor/reference/reference-device.ts';
import { readTensor } from '../../../src/tensor/tensors.ts';
import type { ActiveShards } from '../../../src/train/shard-routes.ts';
import type { Batch, Trainer } from '../../../src/train/trainer.ts';
import { doubleReader, worstOfAll } from '../../support/network-differences.ts';
import {
  baseTrainer,
  expertTrainer,
  randomBatch,
  smallModel,
  withShards,
} from '../../support/tiny-trainer.ts';

/** Runs forward and backward, and gives the loss as a function of the weights as they then are. */
async function differentiate(device: Device, trainer: Trainer, batch: Batch): Promise<() => Promise<number>> {
  const { network } = trainer;
  // A step at a rate of next to nothing loads the batch and leaves the gradients.
  await trainer.train(batch);
  const read = doubleReader(device, network.loss.shape);
  return async () => {
    await device.submit([...network.forward, ...network.lossOnly]);
    return (await read(network.loss)).reduce((sum, value) => sum + value, 0);
  };
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
    const found = await worstOfAll(
      device,
      trainer,
      await differentiate(device, trainer, randomBatch(31, 0.7)),
    );
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
      const found = await worstOfAll(device, trainer, await differentiate(device, trainer, batch));
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

  test.each([
    ['down alone', ['down_proj']],
    ['gate and up', ['gate_proj', 'up_proj']],
    ['queries and values', ['q_proj', 'v_proj']],
    ['keys and the output of attention', ['k_proj', 'o_proj']],
    ['all seven', ADAPTED_LINEARS],
  ] satisfies [string, readonly AdaptedLinear[]][])('wherever experts sit: %s', async (_title, adapted) => {
    const device = createReferenceDevice({ precision: 'f64' });
    const trainer = await expertTrainer(device, await smallModel(), { ...STILL, adapted });
    const batch = withShards(randomBatch(33, 0.7), [
      { shards: [1], priors: [1] },
      { shards: [0, 2], priors: [5 / 8, 3 / 8] },
      { shards: [2, 1, 0], priors: [4 / 8, 2 / 8, 2 / 8] },
    ]);
    const found = await worstOfAll(device, trainer, await differentiate(device, trainer, batch));
    const parts = Number(adapted.some(isAttention)) + Number(!adapted.every(isAttention));
    expect(found.size).toBe(2 * (parts + 2 * adapted.length));
    for (const [name, { worst, largest }] of found) {
      expect(worst, name).toBeLessThan(1e-5);
      expect(largest, name).toBeGreaterThan(1e-4);
    }
  });
});

function isAttention(linear: AdaptedLinear): boolean {
  return /^[qkvo]_proj$/.test(linear);
}
