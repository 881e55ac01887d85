import { describe, expect, test } from 'vitest';
import { bfloatToFloat, floatToBfloat } from '../../src/model/float-formats.ts';

const allWords = Uint16Array.from({ length: 65_536 }, (_, word) => word);

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
