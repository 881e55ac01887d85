/** Every kernel on every device: the same cases, held against the reference in doubles. */
import { afterAll, describe, expect, test } from 'vitest';
import { casesOf } from '../../kernels/cases.ts';
import { kernels } from '../../kernels/index.ts';
import type { KernelSpec } from '../../kernels/kernel.ts';
import type { Device } from '../../src/tensor/device.ts';
import { createReferenceDevice } from '../../src/tensor/reference/reference-device.ts';
import { createWasmDevice } from '../../src/tensor/wasm/node.ts';
import { bits, checkKernel, runOnDevice } from '../support/check-kernel.ts';
import { checkExpertLayer } from '../support/expert-layer.ts';

const specs: readonly KernelSpec[] = Object.values(kernels);

const devices: readonly (readonly [string, Promise<Device>])[] = [
  ['reference', Promise.resolve(createReferenceDevice())],
  ['reference f64', Promise.resolve(createReferenceDevice({ precision: 'f64' }))],
  ['wasm simd', createWasmDevice({ threads: 1, variant: 'simd' })],
  ['wasm relaxed', createWasmDevice({ threads: 2, variant: 'relaxed' })],
];
const threadCounts = [1, 2, 3].map((threads) => createWasmDevice({ threads }));

afterAll(async () => {
  for (const device of [...devices.map(([, opened]) => opened), ...threadCounts])
    await (await device).dispose();
});

test('every kernel has cases', () => {
  expect(specs.length).toBeGreaterThan(0);
  for (const spec of specs) expect(casesOf(spec).length, spec.name).toBeGreaterThan(0);
});

describe.each(devices)('%s', (_, device) => {
  test.each(specs)('$name agrees with the reference', async (spec) => {
    expect(casesOf(spec).length).toBeGreaterThan(0);
    for (const kernelCase of casesOf(spec)) await checkKernel(await device, spec, kernelCase);
  });

  test('runs a sparse-expert layer forward and backward in one submission', async () => {
    await checkExpertLayer(await device);
  });
});

describe('with every tensor in a bank of its own', () => {
  const bankBytes = 4 << 20;
  const bufferBytes = 2.2e6;
  const banked: readonly (readonly [string, Promise<Device>])[] = [
    ['reference', Promise.resolve(createReferenceDevice({ bankBytes }))],
    ['wasm', createWasmDevice({ threads: 1, bankBytes })],
  ];
  afterAll(async () => {
    for (const [, device] of banked) await (await device).dispose();
  });

  test.each(banked)('%s agrees with the reference', async (_, opened) => {
    const device = await opened;
    for (const spec of specs) await checkKernel(device, spec, casesOf(spec).at(-1)!, bufferBytes);
    const most = Math.max(...specs.map(({ bindings }) => bindings.length));
    expect(device.memory().banks).toBe(most);
  });
});

test.each(specs)('$name gives the same bits on one, two and three threads', async (spec) => {
  const [one, ...more] = await Promise.all(threadCounts);
  expect(more).toHaveLength(2);
  for (const kernelCase of casesOf(spec)) {
    const expected = await runOnDevice(one!, spec, kernelCase);
    for (const device of more) {
      const actual = await runOnDevice(device, spec, kernelCase);
      for (const [binding, values] of Object.entries(expected)) {
        expect(bits(actual[binding]!), `${binding} of "${kernelCase.title}"`).toEqual(bits(values));
      }
    }
  }
});
