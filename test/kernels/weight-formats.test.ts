/** Products of weights in compact formats: those of the decoded weights, bit for bit, whoever shares the batch. */
import { afterAll, describe, expect, test } from 'vitest';
import { casesOf } from '../../kernels/cases.ts';
import { kernels } from '../../kernels/index.ts';
import { createWasmDevice } from '../../src/tensor/wasm/node.ts';
import { bits, formatsOf, rounded, runOnDevice } from '../support/check-kernel.ts';

const devices = (['simd', 'relaxed'] as const).map(
  (variant) => [variant, createWasmDevice({ threads: 1, variant })] as const,
);
const specs = [kernels.embedding, kernels.normLinear, kernels.linearExperts, kernels.swigluExperts];

afterAll(async () => {
  for (const [, device] of devices) await (await device).dispose();
});

describe.each(devices)('%s', (_, opened) => {
  test.each(specs)('$name gives the bits that it gives for the decoded weights', async (spec) => {
    const device = await opened;
    const seen = new Set<string>();
    for (const kernelCase of casesOf(spec)) {
      for (const formats of formatsOf(device, spec, kernelCase)) {
        const actual = await runOnDevice(device, spec, kernelCase, 0, formats);
        const expected = await runOnDevice(device, spec, rounded(kernelCase, formats));
        const where = `${kernelCase.title} ${JSON.stringify(formats)}`;
        expect(bits(actual.y!), where).toEqual(bits(expected.y!));
        for (const format of Object.values(formats)) seen.add(format);
      }
    }
    expect([...seen].sort()).toEqual(['f16', 'q4', 'q8']);
  });

  test.each([2 ** -9, 2 ** -14, 2 ** -18])(
    'weights scaled by %d, whose halves are subnormal',
    async (scale) => {
      const device = await opened;
      const spec = kernels.linearExperts;
      for (const kernelCase of casesOf(spec).filter(({ params }) => params.N! % 32 === 0)) {
        const w = kernelCase.inputs.w!.map((value) => value * scale);
        const y = kernelCase.inputs.y!.map(() => 0);
        const tiny = { ...kernelCase, inputs: { ...kernelCase.inputs, w, y } };
        for (const format of ['f16', 'q8', 'q4'] as const) {
          const actual = await runOnDevice(device, spec, tiny, 0, { w: format });
          const expected = await runOnDevice(device, spec, rounded(tiny, { w: format }));
          expect(bits(actual.y!), format).toEqual(bits(expected.y!));
        }
      }
    },
  );

  test('experts and cache come as f32 only', async () => {
    const device = await opened;
    const spec = kernels.linearExperts;
    const kernelCase = casesOf(spec).find(({ params }) => params.K === 2 && params.R === 8)!;
    await expect(runOnDevice(device, spec, kernelCase, 0, { b: 'f16' })).rejects.toThrow(
      /linear_experts on wasm takes b as f32, not as f16/,
    );
  });
});
