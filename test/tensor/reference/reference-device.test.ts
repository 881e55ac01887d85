/** The reference device is the strict one: what a GPU would refuse or silently get wrong fails here. */
import { expect, test } from 'vitest';
import { kernels } from '../../../kernels/index.ts';
import type { KernelSpec } from '../../../kernels/kernel.ts';
import type { Device, Tensor } from '../../../src/tensor/device.ts';
import { createReferenceDevice } from '../../../src/tensor/reference/reference-device.ts';

const device = createReferenceDevice();

function floats(length: number, change: Partial<Tensor> = {}, on: Device = device): Tensor {
  return {
    buffer: on.allocate(length * 4, 'floats'),
    byteOffset: 0,
    shape: [length],
    type: 'f32',
    ...change,
  };
}

const shared = floats(32);

test.each<readonly [string, Record<string, Tensor>, Record<string, number>, RegExp]>([
  ['a missing binding', { x: floats(4) }, { n: 4 }, /binding "y" is missing/],
  ['an unknown binding', { x: floats(4), y: floats(4), z: floats(4) }, { n: 4 }, /no binding is called z/],
  ['a missing param', { x: floats(4), y: floats(4) }, {}, /param "n" is missing/],
  ['a wrong type', { x: floats(4, { type: 'u32' }), y: floats(4) }, { n: 4 }, /"x" is u32, must be f32/],
  [
    'an unaligned offset',
    { x: floats(8, { byteOffset: 4, shape: [4] }), y: floats(4) },
    { n: 4 },
    /starts at byte 4/,
  ],
  ['a view past the end', { x: floats(4, { shape: [5] }), y: floats(4) }, { n: 4 }, /ends at byte 20 of 16/],
  [
    'a written tensor that overlaps another',
    { x: { ...shared, shape: [8] }, y: { ...shared, byteOffset: 16, shape: [8] } },
    { n: 8 },
    /written binding "y" overlaps "x"/,
  ],
])('refuses %s', async (_, bindings, params, message) => {
  await expect(device.submit([{ kernel: kernels.copy, bindings, params }])).rejects.toThrowError(message);
});

test('takes two views of one buffer that lie apart', async () => {
  await device.write(
    shared.buffer,
    0,
    Float32Array.from({ length: 32 }, (_, i) => i),
  );
  const bindings = { x: { ...shared, shape: [8] }, y: { ...shared, byteOffset: 64, shape: [8] } };
  await device.submit([{ kernel: kernels.copy, bindings, params: { n: 8 } }]);
  const read = new Float32Array(await device.read(shared.buffer, 0, 128));
  expect([...read.subarray(14, 26)]).toEqual([14, 15, 0, 1, 2, 3, 4, 5, 6, 7, 24, 25]);
});

test('refuses a freed buffer', async () => {
  const freed = floats(4);
  device.free(freed.buffer);
  await expect(device.read(freed.buffer, 0, 16)).rejects.toThrowError(/was freed/);
});

test('with precision f64 keeps doubles between kernels and rounds only what is read', async () => {
  const wide = createReferenceDevice({ precision: 'f64' });
  const sum = floats(1, {}, wide);
  const small = floats(1, {}, wide);
  await wide.write(sum.buffer, 0, new Float32Array([1]));
  await wide.write(small.buffer, 0, new Float32Array([2 ** -30]));
  const add = { kernel: kernels.add, bindings: { x: small, y: sum }, params: { n: 1 } };
  await wide.submit(Array.from({ length: 2 ** 10 }, () => add));
  expect([...new Float32Array(await wide.read(sum.buffer, 0, 4))]).toEqual([1 + 2 ** -20]);
});

test.each(['f32', 'f64'] as const)(
  'with precision %s leaves what is not written of an f16 tensor as it was',
  async (precision) => {
    const on = createReferenceDevice({ precision });
    // Every half but NaNs, infinities among them.
    const words = Uint16Array.from({ length: 65_536 }, (_, word) => word).filter(
      (word) => (word & 0x7fff) <= 0x7c00,
    );
    const halves = words.slice(0, words.length - (words.length % 8));
    const y: Tensor = {
      buffer: on.allocate(halves.byteLength, 'halves'),
      byteOffset: 0,
      shape: [halves.length],
      type: 'f16',
    };
    await on.write(y.buffer, 0, halves);
    const kernel: KernelSpec = {
      name: 'set_first',
      bindings: [{ name: 'y', access: 'readwrite', type: 'f32', formats: ['f16'] }],
      params: [],
      items: () => 1,
      reference: (bindings) => {
        bindings.y![0] = 1 / 3;
      },
    };
    await on.submit([{ kernel, bindings: { y }, params: {} }]);
    halves[0] = 0x3555;
    expect(new Uint16Array(await on.read(y.buffer, 0, halves.byteLength))).toEqual(halves);
  },
);
