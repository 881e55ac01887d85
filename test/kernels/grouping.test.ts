/** Tokens are multiplied together, in tiles and by expert; nothing of that may show in the bits of any of them. */
import { afterAll, describe, expect, test } from 'vitest';
import { casesOf } from '../../kernels/cases.ts';
import { kernels } from '../../kernels/index.ts';
import type { KernelCase, KernelSpec } from '../../kernels/kernel.ts';
import { createWasmDevice } from '../../src/tensor/wasm/node.ts';
import { bits, formatsOf, runOnDevice } from '../support/check-kernel.ts';

const devices = (['simd', 'relaxed'] as const).map(
  (variant) => [variant, createWasmDevice({ threads: 1, variant })] as const,
);
const { expertShrink, expertExpand, expertShrinkBackward, expertExpandBackward } = kernels;
const { normLinear, linearExperts, swigluExperts } = kernels;
/** Bindings that hold a row for each token. */
const byToken = new Set(['x', 'y', 'h', 'slots', 'weights', 'dy', 'dx', 'dh', 'dweights']);

afterAll(async () => {
  for (const [, device] of devices) await (await device).dispose();
});

describe.each(devices)('%s', (_, opened) => {
  test.each([
    expertShrink,
    expertExpand,
    expertShrinkBackward,
    expertExpandBackward,
    normLinear,
    linearExperts,
    swigluExperts,
  ])('$name gives a token the bits that it gives it alone', async (spec) => {
    const device = await opened;
    for (const kernelCase of casesOf(spec)) {
      for (const formats of [{}, ...formatsOf(device, spec, kernelCase)]) {
        const together = await runOnDevice(device, spec, kernelCase, 0, formats);
        const { T = 0 } = kernelCase.params;
        const step = Math.ceil(T / 12);
        for (let t = 0; t < T; t += step) {
          const alone = await runOnDevice(device, spec, onlyToken(spec, kernelCase, t), 0, formats);
          for (const { name, access } of spec.bindings) {
            if (access === 'read') continue;
            const row = rowOf(together[name]!, t, T);
            const where = `${name} of token ${t}, ${kernelCase.title} ${JSON.stringify(formats)}`;
            expect(bits(alone[name]!), where).toEqual(bits(row));
          }
        }
      }
    }
  });
});

function onlyToken(spec: KernelSpec, { title, params, inputs, outputs }: KernelCase, t: number): KernelCase {
  const { T = 0 } = params;
  return {
    title,
    params: { ...params, T: 1 },
    inputs: Object.fromEntries(
      Object.entries(inputs).map(([name, all]) => [name, byToken.has(name) ? rowOf(all, t, T) : all]),
    ),
    outputs: Object.fromEntries(Object.entries(outputs).map(([name, length]) => [name, length / T])),
  };
}

function rowOf(all: Float32Array | Uint32Array, t: number, T: number): Float32Array | Uint32Array {
  const length = all.length / T;
  return all.slice(t * length, (t + 1) * length);
}
