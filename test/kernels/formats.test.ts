import { describe, expect, test } from 'vitest';
import { decodeTensor } from '../../kernels/formats-decode.ts';
import { encodePart, encodeTensor, UnstorableValueError } from '../../kernels/formats-encode.ts';
import { QUANT_BLOCK, tensorBytes } from '../../kernels/formats.ts';
import { floatToHalf, halfToFloat } from '../../kernels/halves.ts';
import type { CompactFormat } from '../../kernels/kernel.ts';
import { createRandom } from '../../src/base/random.ts';

const formats: readonly CompactFormat[] = ['f16', 'q8', 'q4'];
const quantised = ['q8', 'q4'] as const;

function roundTrip(type: CompactFormat, values: Float32Array): Float32Array {
  const decoded = new Float32Array(values.length);
  decodeTensor(type, encodeTensor(type, values), decoded);
  return decoded;
}

/** Blocks of every size that floats have, from below the smallest half to near the largest that is allowed. */
function blocksOfAllSizes(): Float32Array {
  const random = createRandom(3);
  const values: number[] = [];
  for (let exponent = -40; exponent < 15; exponent++) {
    for (let i = 0; i < 4 * QUANT_BLOCK; i++) values.push(random.normal() * 0.2 * 2 ** exponent);
  }
  return Float32Array.from(values);
}

const step = (value: number): number => halfToFloat(floatToHalf(Float32Array.of(value)))[0]!;
/** Smallest half above zero: what a step may be off by where it is tiny. */
const TINY = 2 ** -24;

test('f16 is the nearest half', () => {
  const values = blocksOfAllSizes();
  expect(roundTrip('f16', values)).toEqual(halfToFloat(floatToHalf(values)));
});

test('an element of a q8 block is off by half a step at most', () => {
  const values = blocksOfAllSizes();
  const decoded = roundTrip('q8', values);
  for (let block = 0; block < values.length; block += QUANT_BLOCK) {
    const own = values.subarray(block, block + QUANT_BLOCK);
    const most = Math.max(...own.map(Math.abs));
    const bound = step(most / 127) / 2 + most * 1e-7 + 127 * (TINY / 2);
    for (const [i, value] of own.entries()) {
      expect(Math.abs(decoded[block + i]! - value)).toBeLessThanOrEqual(bound);
    }
  }
});

test('an element of a q4 block is off by half a step at most, at the far end by one', () => {
  const values = blocksOfAllSizes();
  const decoded = roundTrip('q4', values);
  for (let block = 0; block < values.length; block += QUANT_BLOCK) {
    const own = values.subarray(block, block + QUANT_BLOCK);
    const most = Math.max(...own.map(Math.abs));
    const extreme = own.find((value) => Math.abs(value) === most)!;
    const size = step(most / 8);
    for (const [i, value] of own.entries()) {
      // Levels go from −8 to 7 towards the extreme value.
      const bound = value * Math.sign(extreme) < -7.5 * size ? size : size / 2;
      const slack = most * 2 ** -10 + 8 * (TINY / 2);
      expect(Math.abs(decoded[block + i]! - value)).toBeLessThanOrEqual(bound + slack);
    }
  }
});

test.each(formats)('%s gives representable values back', (type) => {
  const random = createRandom(4);
  const most = { f16: 2047, q8: 127, q4: 8 }[type];
  const values = Float32Array.from({ length: 8 * QUANT_BLOCK }, (_, i) => {
    const scale = 2 ** (Math.floor(i / QUANT_BLOCK) - 12);
    if (i % QUANT_BLOCK === 5) return -most * scale;
    return scale * (random.integer(2 * most) - most + (type === 'q4' ? 0 : 1));
  });
  expect(roundTrip(type, values)).toEqual(values);
});

test.each(formats)('%s keeps zeros, of either sign, as zeros', (type) => {
  const values = new Float32Array(2 * QUANT_BLOCK);
  values[3] = -0;
  values[40] = 127 / 128;
  const decoded = roundTrip(type, values);
  expect(decoded.findIndex((value, i) => value !== values[i]!)).toBe(-1);
});

test.each(quantised)('%s makes zeros of a block that is below the smallest step', (type) => {
  const values = new Float32Array(QUANT_BLOCK).fill(2 ** -25);
  expect(roundTrip(type, values).every((value) => value === 0)).toBe(true);
});

test('a q4 block keeps its extreme value, whatever its sign', () => {
  for (const extreme of [-4, 4]) {
    const values = new Float32Array(QUANT_BLOCK).fill(0.25);
    values[17] = extreme;
    expect(roundTrip('q4', values)[17]).toBe(extreme);
  }
});

test('nibble j of a word is element j', () => {
  const values = Float32Array.from({ length: QUANT_BLOCK }, (_, i) => (i % 8) - 8);
  const words = new Uint32Array(encodeTensor('q4', values).buffer);
  expect([...words.subarray(0, 4)]).toEqual([0x76543210, 0x76543210, 0x76543210, 0x76543210]);
});

describe.each(formats)('%s', (type) => {
  test.each([NaN, Infinity, -Infinity, 1e9])('refuses %d', (value) => {
    const values = new Float32Array(QUANT_BLOCK);
    values[9] = value;
    expect(() => encodeTensor(type, values)).toThrow(UnstorableValueError);
    expect(() => encodeTensor(type, values)).toThrow(`${type} cannot hold the value ${value}`);
  });

  test('parts are the whole, wherever it is cut', () => {
    const random = createRandom(5);
    const count = 11 * QUANT_BLOCK;
    const values = Float32Array.from({ length: count }, () => random.normal());
    const whole = encodeTensor(type, values);
    expect(whole.length).toBe(tensorBytes(type, count));
    const joined = new Uint8Array(whole.length).fill(0xee);
    for (const [first, end] of [
      [128, 192],
      [192, count],
      [0, 128],
    ] as const) {
      for (const { byteOffset, bytes } of encodePart(type, values.subarray(first, end), first, count)) {
        expect(byteOffset % 4).toBe(0);
        expect(bytes.length % 4).toBe(0);
        joined.set(bytes, byteOffset);
      }
    }
    expect(joined).toEqual(whole);
  });
});
