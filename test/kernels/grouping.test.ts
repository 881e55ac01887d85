/** Tokens of one expert are multiplied together; nothing of that may show in the bits of any of them. */
import { afterAll, describe, expect, test } from 'vitest';
import { casesOf } from '../../kernels/cases.ts';
import { kernels } from '../../kernels/index.ts';
import type { KernelCase, KernelSpec } from '../../kernels/kernel.ts';
import { createWasmDevice } from '../../src/tensor/wasm/node.ts';
import { bits, runOnDevice } from '../support/check-kernel.ts';

const devices = (['simd', 'relaxed'] as const).map(
  (variant) => [variant, createWasmDevice({ threads: 1, variant })] as const,
);
const { expertShrink, expertExpand, expertShrinkBackward, expertExpandBackward } = kernels;
/** Bindings that hold a row for each token. */
const byToken = new Set(['x', 'y', 'h', 'slots', 'weights', 'dy', 'dx', 'dh', 'dweights']);

afterAll(async () => {
  for (const [, device] of devices) await (await device).dispose();
});

describe.each(devices)('%s', (_, opened) => {
  test.each([expertShrink, expertExpand, expertShrinkBackward, expertExpandBackward])(
    '$name gives a token the bits that it gives it alone',
    async (spec) => {
      const device = await opened;
      for (const kernelCase of casesOf(spec)) {
        const together = await runOnDevice(device, spec, kernelCase);
        const { T = 0 } = kernelCase.params;
        const step = Math.ceil(T / 12);
        for (let t = 0; t < T; t += step) {
          const alone = await runOnDevice(device, spec, onlyToken(spec, kernelCase, t));
          for (const { name, access } of spec.bindings) {
            if (access === 'read') continue;
            const row = rowOf(together[name]!, t, T);
            expect(bits(alone[name]!), `${name} of token ${t}, ${kernelCase.title}`).toEqual(bits(row));
          }
        }
      }
    },
  );
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
