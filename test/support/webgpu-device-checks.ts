/** What the GPU device promises beyond its kernels: order, memory, one buffer read and written in a dispatch, errors. */
import assert from 'node:assert/strict';
import { kernels } from '../../kernels/index.ts';
import type { Device, DeviceBuffer, Dispatch, Tensor } from '../../src/tensor/device.ts';

export const webgpuDeviceChecks: readonly (readonly [string, (device: Device) => Promise<void>])[] = [
  ['keeps writes, submissions and reads in the order of the calls', keepsOrder],
  ['has several reads on their way, each of its own moment', readsMany],
  ['reads and writes two views of one buffer in one dispatch', sharesBuffer],
  ['carries thousands of dispatches in one submission', carriesMany],
  ['takes writes from shared memory', takesSharedMemory],
  ['finishes what was submitted before a buffer is freed', freesLate],
  ['says when there is no more room, and goes on', refusesTooMuch],
  ['refuses a kernel without a shader, and goes on', refusesUnknown],
];

async function keepsOrder(device: Device): Promise<void> {
  const a = tensor(device, 4);
  const b = tensor(device, 4);
  const pending = [device.write(a.buffer, 0, new Float32Array(4).fill(1)), device.submit([copy(a, b)])];
  const between = floats(device, b.buffer);
  pending.push(device.write(a.buffer, 0, new Float32Array(4).fill(2)), device.submit([copy(a, b)]));
  const after = floats(device, b.buffer);
  await Promise.all(pending);
  assert.deepEqual(await between, [1, 1, 1, 1]);
  assert.deepEqual(await after, [2, 2, 2, 2]);
}

async function readsMany(device: Device): Promise<void> {
  const a = tensor(device, 4);
  const reads: Promise<number[]>[] = [];
  const writes: Promise<void>[] = [];
  for (let n = 0; n < 10; n++) {
    writes.push(device.write(a.buffer, 0, new Float32Array(4).fill(n)));
    reads.push(floats(device, a.buffer));
  }
  await Promise.all(writes);
  const seen = await Promise.all(reads);
  assert.deepEqual(
    seen.map(([first]) => first),
    reads.map((_, n) => n),
  );
}

async function sharesBuffer(device: Device): Promise<void> {
  const words = device.offsetAlignment / 4;
  const whole = tensor(device, 2 * words);
  const low = { ...whole, shape: [words] };
  const high = { ...whole, shape: [words], byteOffset: device.offsetAlignment };
  await device.write(
    whole.buffer,
    0,
    Float32Array.from({ length: 2 * words }, (_, i) => i),
  );
  const add: Dispatch = { kernel: kernels.add, bindings: { x: low, y: high }, params: { n: words } };
  const back: Dispatch = { kernel: kernels.add, bindings: { x: high, y: low }, params: { n: words } };
  await device.submit([add, back, add]);
  const read = await floats(device, whole.buffer);
  assert.deepEqual(
    read.slice(0, words),
    Array.from({ length: words }, (_, i) => 3 * i + words),
  );
  assert.deepEqual(
    read.slice(words),
    Array.from({ length: words }, (_, i) => 5 * i + 2 * words),
  );
}

async function carriesMany(device: Device): Promise<void> {
  const one = tensor(device, 3);
  const sum = tensor(device, 3);
  await device.write(one.buffer, 0, new Float32Array(3).fill(1));
  const add: Dispatch = { kernel: kernels.add, bindings: { x: one, y: sum }, params: { n: 3 } };
  await device.submit(Array.from({ length: 2500 }, () => add));
  assert.deepEqual(await floats(device, sum.buffer), [2500, 2500, 2500]);
}

async function takesSharedMemory(device: Device): Promise<void> {
  const target = tensor(device, 4);
  const shared = new Float32Array(new SharedArrayBuffer(32), 16, 4);
  shared.set([1, 2, 3, 4]);
  await device.write(target.buffer, 0, shared);
  assert.deepEqual(await floats(device, target.buffer), [1, 2, 3, 4]);
}

async function freesLate(device: Device): Promise<void> {
  const { allocatedBytes } = device.memory();
  const a = tensor(device, 4);
  const b = tensor(device, 4);
  const written = device.write(a.buffer, 0, new Float32Array(4).fill(8));
  const submitted = device.submit([copy(a, b)]);
  device.free(a.buffer);
  await Promise.all([written, submitted]);
  assert.deepEqual(await floats(device, b.buffer), [8, 8, 8, 8]);
  device.free(b.buffer);
  assert.equal(device.memory().allocatedBytes, allocatedBytes);
  await assert.rejects(async () => device.read(a.buffer, 0, 16), /was freed/);
}

async function refusesTooMuch(device: Device): Promise<void> {
  assert.throws(() => device.allocate(2 ** 40, 'far too large'), { code: 'out_of_memory' });
  assert.throws(() => device.allocate(2 ** 27, 'more than this device may take'), { code: 'out_of_memory' });
  await keepsOrder(device);
}

async function refusesUnknown(device: Device): Promise<void> {
  const y = tensor(device, 1);
  const kernel = { ...kernels.fill, name: 'absent' };
  await assert.rejects(device.submit([{ kernel, bindings: { y }, params: { n: 1, value: 1 } }]));
  await keepsOrder(device);
}

function tensor(device: Device, length: number): Tensor {
  return {
    buffer: device.allocate(length * 4, `${length} floats`),
    byteOffset: 0,
    shape: [length],
    type: 'f32',
  };
}

function copy(x: Tensor, y: Tensor): Dispatch {
  return { kernel: kernels.copy, bindings: { x, y }, params: { n: x.shape[0]! } };
}

async function floats(device: Device, buffer: DeviceBuffer): Promise<number[]> {
  return [...new Float32Array(await device.read(buffer, 0, buffer.byteLength))];
}
