/** Tokens chosen on a device, without a GPU: what test/support/gpu-checks.ts asks of SwiftShader too, and frequencies. */
import { afterAll, describe, expect, test } from 'vitest';
import { createRandom } from '../../src/base/random.ts';
import { NONE, type Device } from '../../src/tensor/device.ts';
import { createReferenceDevice } from '../../src/tensor/reference/reference-device.ts';
import { createWasmDevice } from '../../src/tensor/wasm/node.ts';
import {
  checkCarried,
  checkDraws,
  checkRowsAlike,
  checkShares,
  nothingSeen,
  plain,
  sampleOnDevice,
} from '../support/sampling-checks.ts';

const devices: readonly (readonly [string, Promise<Device>])[] = [
  ['reference', Promise.resolve(createReferenceDevice())],
  ['wasm simd', createWasmDevice({ threads: 1, variant: 'simd' })],
  ['wasm relaxed', createWasmDevice({ threads: 2, variant: 'relaxed' })],
];

afterAll(async () => {
  for (const [, device] of devices) await (await device).dispose();
});

describe.each(devices)('%s', (_, opened) => {
  test.each([
    [300, 12],
    [5000, 3],
  ])('over %i tokens chooses what the sampler chooses', async (V, rounds) => {
    await checkDraws(await opened, V, rounds);
  });

  test('chooses each token as often as its share says', async () => {
    await checkShares(await opened, 1000);
  });

  test('chooses for a row alone what it chooses among others', async () => {
    await checkRowsAlike(await opened);
  });

  test('counts a token that only the device knows', async () => {
    await checkCarried(await opened);
  });

  test('draws with the frequencies of the softmax', async () => {
    const random = createRandom(2);
    const weights = Array.from({ length: 12 }, () => Math.exp(random.normal()));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const draws = Array.from({ length: 20_000 }, () => {
      return { sampling: plain, uniform: random.uniform(), seen: nothingSeen };
    });
    const row = weights.map((weight) => Math.log(weight));
    const logits = Float32Array.from(draws.flatMap(() => row));
    const { tokens } = await sampleOnDevice(await opened, logits, draws);
    const counts = weights.map(() => 0);
    for (const token of tokens) counts[token]! += 1;
    const chiSquare = counts.reduce((sum, count, token) => {
      const expected = (draws.length * weights[token]!) / total;
      return sum + (count - expected) ** 2 / expected;
    }, 0);
    // Eleven degrees of freedom: above 31.3 once in a thousand seeds.
    expect(chiSquare).toBeLessThan(31.3);
  });

  test('says of a broken row that it is, and chooses for the others', async () => {
    const logits = Float32Array.of(1, 2, NaN, 0, 0, 3, 1, 0, Infinity, -Infinity, -Infinity, -Infinity);
    const draws = Array.from({ length: 4 }, () => ({
      sampling: { ...plain, temperature: 0 },
      uniform: 0,
      seen: nothingSeen,
    }));
    const { tokens } = await sampleOnDevice(await opened, logits, draws);
    expect([...tokens]).toEqual([NONE, 2, NONE, NONE]);
  });
});
