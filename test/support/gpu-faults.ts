/**
 * What the GPU device makes of real faults of a real driver; runs like gpu-checks.ts, for test/tensor/webgpu-faults.test.ts.
 * Every check has a device of its own.
 */
import assert from 'node:assert/strict';
import { kernels } from '../../kernels/index.ts';
import type { KernelSpec } from '../../kernels/kernel.ts';
import type { DeviceBuffer, Dispatch } from '../../src/tensor/device.ts';
import { createExpertLayer, ExpertPool } from '../../src/model/expert-pool.ts';
import { createNodeWebgpuDevice } from '../../src/tensor/webgpu/node.ts';
import type { WebgpuDevice } from '../../src/tensor/webgpu/webgpu-device.ts';
import { gpuFaults } from './gpu-fault-titles.ts';
import { loseDevices } from './lose-device.ts';
import { report } from './report-check.ts';
import { tinyModel, tinyShard } from './tiny-model.ts';

/** A binding of this size is allowed, memory of it is not given. */
const TOO_LARGE = 2 ** 30;

const open = (): Promise<WebgpuDevice> =>
  createNodeWebgpuDevice({ backend: 'vulkan', allowFallbackAdapter: true });

const checks: Readonly<Record<keyof typeof gpuFaults, () => Promise<void>>> = {
  async lost() {
    const device = await open();
    const [a, b] = [floats(device, 4), floats(device, 4)];
    await works(device);
    const waiting = [
      device.submit(Array.from({ length: 900 }, () => fill(a))),
      device.read(a, 0, 16),
      device.write(b, 0, new Float32Array(4)),
      device.submit([fill(b)]),
    ].map((work) => rejection(work));
    loseDevices();
    for (const error of await Promise.all(waiting)) assert.match(error, /device_lost.*lost/);
    assert.equal((await device.lost).code, 'device_lost');
    for (const later of [() => device.submit([fill(a)]), async () => device.allocate(16, 'later')]) {
      assert.match(await rejection(later()), /device_lost/);
    }
    await device.dispose();
  },

  async closed() {
    const device = await open();
    let told = false;
    void device.lost.then(() => (told = true));
    await works(device);
    await device.dispose();
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(told, false);
  },

  async memory() {
    const device = await open();
    const before = device.memory().allocatedBytes;
    const large = device.allocate(TOO_LARGE, 'the large one');
    const small = floats(device, 4);
    const error = await rejection(device.write(small, 0, new Float32Array(4)));
    assert.match(error, /out_of_memory.*1073741824 bytes for the large one/);
    assert.equal(device.memory().allocatedBytes, before + small.byteLength);
    await works(device);
    assert.match(await rejection(device.submit([fill(large)])), /out_of_memory.*the large one/);
    assert.match(await rejection(device.read(large, 0, 16)), /out_of_memory.*the large one/);
    device.free(large);
    assert.equal(device.memory().allocatedBytes, before + small.byteLength);
    await works(device);
    await device.dispose();
  },

  async staging() {
    const device = await open();
    // B of gate and up in one layer: 2 · 64 · 16 floats an expert.
    const pool = { slots: TOO_LARGE / (2 * 64 * 16 * 4), rank: 16 };
    const tiny = await tinyModel({ layers: 1, hiddenSize: 64, intermediateSize: 64 });
    const experts = new ExpertPool(device, [createExpertLayer(device, tiny.config, pool, 0, 'f32')], pool);
    for (const version of ['v1', 'v2']) {
      const error = await rejection(experts.load(await tinyShard(tiny, { version })));
      assert.match(error, /out_of_memory.* bytes for experts\.0\.gate_up_[ab]/);
      assert.equal(experts.freeSlots, pool.slots);
      await works(device);
    }
    await device.dispose();
  },

  async refusal() {
    const device = await open();
    const buffer = floats(device, 4);
    // More workgroups than any device takes: the driver's own check refuses the submission.
    const spec: KernelSpec = {
      ...kernels.fill,
      webgpu: { ...kernels.fill.webgpu, workgroups: () => [70_000, 1, 1] },
    };
    assert.match(await rejection(device.submit([{ ...fill(buffer), kernel: spec }])), /gpu_error/);
    await works(device);
    await device.dispose();
  },
};

for (const [name, title] of Object.entries(gpuFaults)) {
  const check = Object.entries(checks).find(([own]) => own === name)?.[1];
  await report(title, check ?? (() => Promise.reject(new Error('there is no such check'))));
}

function floats(device: WebgpuDevice, length: number): DeviceBuffer {
  return device.allocate(length * 4, `${length} floats`);
}

function fill(buffer: DeviceBuffer, value = 7): Dispatch {
  const y = { buffer, byteOffset: 0, shape: [4], type: 'f32' as const };
  return { kernel: kernels.fill, bindings: { y }, params: { n: 4, value } };
}

async function works(device: WebgpuDevice): Promise<void> {
  const buffer = floats(device, 4);
  await device.submit([fill(buffer, 3)]);
  assert.deepEqual([...new Float32Array(await device.read(buffer, 0, 16))], [3, 3, 3, 3]);
  device.free(buffer);
}

/** Code and message of the error that `work` must end with. */
async function rejection(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    assert(error instanceof Error && 'code' in error);
    return `${String(error.code)}: ${error.message}`;
  }
  throw new Error('it did not fail');
}
