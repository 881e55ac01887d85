/** What every device promises about memory and order, whatever it computes with. */
import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { kernels } from '../../kernels/index.ts';
import type { Device, DeviceBuffer, Dispatch, Tensor } from '../../src/tensor/device.ts';
import { createReferenceDevice } from '../../src/tensor/reference/reference-device.ts';
import { createWasmDevice } from '../../src/tensor/wasm/node.ts';
import { CONTROL } from '../../src/tensor/wasm/command-stream.ts';
import type { SpawnThread } from '../../src/tensor/wasm/team.ts';
import { WasmDevice } from '../../src/tensor/wasm/wasm-device.ts';

const BANK_BYTES = 4 << 20;

const openers: readonly (readonly [string, () => Promise<Device>])[] = [
  ['reference', async () => createReferenceDevice({ bankBytes: BANK_BYTES, memoryBytes: 4 * BANK_BYTES })],
  [
    'reference f64',
    async () =>
      createReferenceDevice({ precision: 'f64', bankBytes: BANK_BYTES, memoryBytes: 4 * BANK_BYTES }),
  ],
  ['wasm', () => createWasmDevice({ threads: 2, bankBytes: BANK_BYTES, scratchBytes: 1 << 16, maxBanks: 4 })],
  ['wasm without threads', async () => wasmWith(null)],
];

async function wasmWith(spawn: SpawnThread | null): Promise<Device> {
  const bytes = await readFile(new URL('../../build/kernels/simd.wasm', import.meta.url));
  const module = await WebAssembly.compile(new Uint8Array(bytes));
  const sizes = { bankBytes: BANK_BYTES, scratchBytes: 1 << 16, maxBanks: 4 };
  return new WasmDevice({ module, spawn, threads: 1, ...sizes });
}

describe.each(openers)('%s', (_, open) => {
  test('gives zeroed memory, also where other contents were freed', async () => {
    await withDevice(open, async (device) => {
      const first = device.allocate(64, 'first');
      expect(await floats(device, first)).toEqual(new Float32Array(16));
      await device.write(first, 0, new Float32Array(16).fill(7));
      device.free(first);
      expect(await floats(device, device.allocate(64, 'second'))).toEqual(new Float32Array(16));
    });
  });

  test('runs the dispatches of a submission in order', async () => {
    await withDevice(open, async (device) => {
      const a = tensor(device, 5);
      const b = tensor(device, 5);
      await device.submit([
        { kernel: kernels.fill, bindings: { y: a }, params: { n: 5, value: 3 } },
        copy(a, b),
        { kernel: kernels.add, bindings: { x: a, y: b }, params: { n: 5 } },
        copy(b, a),
      ]);
      expect(await floats(device, a.buffer)).toEqual(new Float32Array(5).fill(6));
    });
  });

  test('keeps writes, submissions and reads in the order of the calls, awaited or not', async () => {
    await withDevice(open, async (device) => {
      const a = tensor(device, 4);
      const b = tensor(device, 4);
      const before = device.write(a.buffer, 0, new Float32Array(4).fill(1));
      const submitted = device.submit([copy(a, b)]);
      const between = floats(device, b.buffer);
      const after = device.write(a.buffer, 0, new Float32Array(4).fill(2));
      const again = device.submit([copy(a, b)]);
      await Promise.all([before, submitted, after, again]);
      expect(await between).toEqual(new Float32Array(4).fill(1));
      expect(await floats(device, b.buffer)).toEqual(new Float32Array(4).fill(2));
    });
  });

  test('writes and reads parts of a buffer, and reads are copies', async () => {
    await withDevice(open, async (device) => {
      const buffer = device.allocate(32, 'parts');
      await device.write(buffer, 8, new Uint32Array([1, 2, 0xffffffff]));
      const read = new Uint32Array(await device.read(buffer, 4, 20));
      expect([...read]).toEqual([0, 1, 2, 0xffffffff, 0]);
      read.fill(9);
      expect([...new Uint32Array(await device.read(buffer, 4, 20))]).toEqual([0, 1, 2, 0xffffffff, 0]);
    });
  });

  test('opens banks as it needs them, and says when there is no more room', async () => {
    await withDevice(open, async (device) => {
      const half = 2_500_000;
      const buffers = [device.allocate(half, 'a'), device.allocate(half, 'b'), device.allocate(half, 'c')];
      expect(new Set(buffers.map(({ bank }) => bank)).size).toBe(3);
      expect(device.memory().banks).toBe(3);
      expect(() => device.allocate(BANK_BYTES + 16, 'too large')).toThrowError(
        expect.objectContaining({ code: 'out_of_memory' }),
      );
      const full = device.memory();
      expect(full.allocatedBytes).toBeGreaterThanOrEqual(3 * half);
      buffers.forEach((buffer) => device.free(buffer));
      expect(device.memory().allocatedBytes).toBe(0);
      expect(device.memory().peakBytes).toBe(full.peakBytes);
    });
  });

  test('goes on after it ran out of memory', async () => {
    await withDevice(open, async (device) => {
      const fillers: DeviceBuffer[] = [];
      const fill = (): void => {
        for (let i = 0; i < 100; i++) fillers.push(device.allocate(BANK_BYTES / 4, `filler ${i}`));
      };
      expect(fill).toThrowError(expect.objectContaining({ code: 'out_of_memory' }));
      device.free(fillers.pop()!);
      const small = tensor(device, 4);
      await device.submit([{ kernel: kernels.fill, bindings: { y: small }, params: { n: 4, value: 5 } }]);
      expect(await floats(device, small.buffer)).toEqual(new Float32Array(4).fill(5));
    });
  });

  test('carries a submission longer than any command buffer', async () => {
    await withDevice(open, async (device) => {
      const one = tensor(device, 3);
      const sum = tensor(device, 3);
      await device.write(one.buffer, 0, new Float32Array(3).fill(1));
      const add: Dispatch = { kernel: kernels.add, bindings: { x: one, y: sum }, params: { n: 3 } };
      await device.submit(Array.from({ length: 5000 }, () => add));
      expect(await floats(device, sum.buffer)).toEqual(new Float32Array(3).fill(5000));
    });
  });

  test('disposes twice without harm', async () => {
    const device = await open();
    await device.dispose();
    await device.dispose();
  });
});

async function withDevice(
  open: () => Promise<Device>,
  use: (device: Device) => Promise<void>,
): Promise<void> {
  const device = await open();
  try {
    await use(device);
  } finally {
    await device.dispose();
  }
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

async function floats(device: Device, buffer: DeviceBuffer): Promise<Float32Array> {
  return new Float32Array(await device.read(buffer, 0, buffer.byteLength));
}

test('a submission whose thread never comes up fails, and the next one too', async () => {
  const device = await wasmWith(() => ({
    terminate: async () => {},
    failed: Promise.reject(new Error('the script is gone')),
  }));
  const fill = { kernel: kernels.fill, bindings: { y: tensor(device, 5) }, params: { n: 5, value: 3 } };
  await expect(device.submit([fill])).rejects.toThrow('the script is gone');
  await expect(device.submit([fill])).rejects.toThrow('the script is gone');
  await device.dispose();
});

test('a late wake-up of the submission before does not end one that still runs', async () => {
  let control: Int32Array = new Int32Array(0);
  const device = await wasmWith((start) => {
    control = new Int32Array(start.control);
    return { terminate: async () => {} };
  });
  const fill = { kernel: kernels.fill, bindings: { y: tensor(device, 5) }, params: { n: 5, value: 3 } };
  let isDone = false;
  const submitted = device.submit([fill]).then(() => (isDone = true));
  // Nobody computes: the one waiter is the submission.
  await expect.poll(() => Atomics.notify(control, CONTROL.done)).toBe(1);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(isDone).toBe(false);
  Atomics.store(control, CONTROL.done, 1);
  Atomics.notify(control, CONTROL.done);
  await submitted;
  await device.dispose();
});

test('threads are waited for where the platform has no waitAsync, too', async () => {
  const { waitAsync } = Atomics;
  Reflect.deleteProperty(Atomics, 'waitAsync');
  try {
    const device = await createWasmDevice({ threads: 2, bankBytes: BANK_BYTES, scratchBytes: 1 << 16 });
    const y = tensor(device, 5);
    for (const value of [3, 4, 5]) {
      await device.submit([{ kernel: kernels.fill, bindings: { y }, params: { n: 5, value } }]);
      expect(await floats(device, y.buffer)).toEqual(new Float32Array(5).fill(value));
    }
    await device.dispose();
  } finally {
    Reflect.set(Atomics, 'waitAsync', waitAsync);
  }
});

test('kernels that were built before the newest one was added are refused, with what to do', async () => {
  // A module without any export.
  const module = await WebAssembly.compile(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
  expect(() => new WasmDevice({ module, spawn: null, threads: 1 })).toThrowError(
    /lack .*npm run build:kernels/,
  );
});
