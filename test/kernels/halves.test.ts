/// <reference lib="esnext.float16" />
import { expect, test } from 'vitest';
import { floatToHalf, halfToFloat } from '../../kernels/halves.ts';
import { createRandom } from '../../src/base/random.ts';

const allWords = Uint16Array.from({ length: 65_536 }, (_, word) => word);

/** Random bit patterns, and the neighbourhoods of every half: its ties, and one ulp to either side of them. */
function trickyFloats(): Float32Array {
  const random = createRandom(5);
  const words = Uint32Array.from({ length: 200_000 }, () => Math.floor(random.uniform() * 2 ** 32));
  const near: number[] = [0x7f7fffff, 0x477fefff, 0x477ff000, 0x477ff001, 0x33000000, 0x33000001, 0x32ffffff];
  const exact = new Uint32Array(halfToFloat(allWords).buffer);
  for (const word of exact) near.push(word, word + 0xfff, word + 0x1000, word + 0x1001);
  return new Float32Array(Uint32Array.from([...words, ...near]).buffer);
}

test('halves widen as the platform widens all 65,536 of them', () => {
  expect(halfToFloat(allWords)).toEqual(new Float32Array(new Float16Array(allWords.buffer)));
});

test('halves narrow as the platform narrows, ties to even', () => {
  const floats = trickyFloats();
  const expected = new Uint16Array(new Float16Array(floats).buffer);
  const actual = floatToHalf(floats);
  const wrong = floats.findIndex((value, i) => !Number.isNaN(value) && actual[i] !== expected[i]);
  expect({ index: wrong, value: floats[wrong] }).toEqual({ index: -1, value: undefined });
  expect(halfToFloat(actual).filter(Number.isNaN).length).toBe(floats.filter(Number.isNaN).length);
});

test('halves narrow a view into a larger buffer', () => {
  expect(floatToHalf(new Float32Array([9, 1, 2]).subarray(1))).toEqual(new Uint16Array([0x3c00, 0x4000]));
});
