/// <reference lib="esnext.float16" />
import { describe, expect, test } from 'vitest';
import { createRandom } from '../../src/base/random.ts';
import { bfloatToFloat, floatToBfloat, floatToHalf, halfToFloat } from '../../src/model/float-formats.ts';

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

describe('halves', () => {
  test('widen as the platform widens all 65,536 of them', () => {
    expect(halfToFloat(allWords)).toEqual(new Float32Array(new Float16Array(allWords.buffer)));
  });

  test('narrow as the platform narrows, ties to even', () => {
    const floats = trickyFloats();
    const expected = new Uint16Array(new Float16Array(floats).buffer);
    const actual = floatToHalf(floats);
    const wrong = floats.findIndex((value, i) => !Number.isNaN(value) && actual[i] !== expected[i]);
    expect({ index: wrong, value: floats[wrong] }).toEqual({ index: -1, value: undefined });
    expect(halfToFloat(actual).filter(Number.isNaN).length).toBe(floats.filter(Number.isNaN).length);
  });

  test('narrow a view into a larger buffer', () => {
    expect(floatToHalf(new Float32Array([9, 1, 2]).subarray(1))).toEqual(new Uint16Array([0x3c00, 0x4000]));
  });
});

describe('bfloats', () => {
  test('survive the round trip, all 65,536 of them', () => {
    const floats = bfloatToFloat(allWords);
    const back = floatToBfloat(floats);
    const wrong = allWords.findIndex((word, i) => !Number.isNaN(floats[i]!) && back[i] !== word);
    expect(wrong).toBe(-1);
    expect(bfloatToFloat(back).filter(Number.isNaN).length).toBe(254);
  });

  test('narrow to the nearest, ties to even, and overflow to infinity', () => {
    const rows: [number, number][] = [
      [0x3f808000, 0x3f80],
      [0x3f818000, 0x3f82],
      [0x3f808001, 0x3f81],
      [0x3f807fff, 0x3f80],
      [0x7f7fffff, 0x7f80],
      [0xff7fffff, 0xff80],
    ];
    const floats = new Float32Array(Uint32Array.from(rows, ([word]) => word).buffer);
    expect([...floatToBfloat(floats)]).toEqual(rows.map(([, bfloat]) => bfloat));
  });
});
