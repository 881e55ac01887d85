/** The gradients of a whole network, held against central differences of its loss in double precision. */
import { expect } from 'vitest';
import type { KernelSpec } from '../../kernels/kernel.ts';
import { createRandom } from '../../src/base/random.ts';
import type { Device, Tensor } from '../../src/tensor/device.ts';
import { createTensor, elements, readTensor, writeTensor } from '../../src/tensor/tensors.ts';
import type { Trainer } from '../../src/train/trainer.ts';

const STEP = 2 ** -15;
/** Elements of each tensor that are moved. */
const SAMPLE = 4;

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

/** Reads tensors as doubles; all are of this shape. */
export function doubleReader(device: Device, shape: readonly number[]): (x: Tensor) => Promise<number[]> {
  const [high, low] = ['high', 'low'].map((name) => createTensor(device, name, shape));
  return async (x) => {
    await device.submit([{ kernel: split, bindings: { x, high: high!, low: low! }, params: {} }]);
    const [wide, rest] = [await readTensor(device, high!), await readTensor(device, low!)];
    return Array.from(wide, (value, i) => value + rest[i]!);
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

/** For every trained tensor; the network's gradients have to be there. */
export async function worstOfAll(
  device: Device,
  trainer: Trainer,
  loss: () => Promise<number>,
): Promise<Map<string, { worst: number; largest: number }>> {
  const found = new Map<string, { worst: number; largest: number }>();
  // All at once: `loss` may go backward too, at places beside.
  const gradients = new Map<string, Float32Array>();
  for (const [name, tensor] of trainer.network.gradients.tensors) {
    gradients.set(name, await readTensor(device, tensor));
  }
  for (const [name, weight] of trainer.network.trained.tensors) {
    const gradient = gradients.get(name)!;
    expect(gradient.length).toBe(elements(weight.shape));
    const largest = gradient.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    found.set(name, { worst: await worstElement(device, weight, gradient, loss), largest });
  }
  return found;
}
