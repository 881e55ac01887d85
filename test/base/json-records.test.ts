import { describe, expect, it } from 'vitest';
import { createRandom } from '../../src/base/random.ts';
import { parseRecord, splitJsonRecords } from '../../src/base/json-records.ts';

describe('records of a JSON text', () => {
  const values = [{ a: '括号]}"\\' }, [1, [2]], 'text, with comma', 3, null, { b: { c: [] } }];

  it.each([
    ['an array on one line', JSON.stringify(values)],
    ['an indented array', JSON.stringify(values, null, 2)],
    ['an array with odd spaces', ` [ ${values.map((value) => JSON.stringify(value)).join(' ,\n\n ')} ] \n`],
    ['lines', values.map((value) => JSON.stringify(value)).join('\n')],
    [
      'lines with empty ones and Windows ends',
      values.map((value) => `${JSON.stringify(value)}\r\n\r\n`).join(''),
    ],
  ])('are split as JSON.parse would: %s', (_, text) => {
    // Read as lines only where every record is one.
    const records = splitJsonRecords(text).map((record) => parseRecord(record.text));
    expect(records.map((record) => (record.ok ? record.value : 'broken'))).toEqual(values);
  });

  it('carry the line they begin on', () => {
    expect(splitJsonRecords('[\n{"a":\n1},\n\n{"b":2}]').map(({ line }) => line)).toEqual([2, 5]);
    expect(splitJsonRecords('{"a":1}\n\n{"b":2}\n').map(({ line }) => line)).toEqual([1, 3]);
  });

  it('cost no other record when one is broken or the text is cut', () => {
    const records = splitJsonRecords('[{"a":1}, {"a":病人}, {"a":3}').map(({ text }) => parseRecord(text));
    expect(records).toEqual([
      { ok: true, value: { a: 1 } },
      { ok: false, reason: 'not valid JSON' },
      { ok: true, value: { a: 3 } },
    ]);
  });

  it('are the same after any number of random arrays', () => {
    const random = createRandom(3);
    const value = (depth: number): unknown => {
      const kind = random.integer(depth > 2 ? 3 : 5);
      if (kind === 3) return Array.from({ length: random.integer(4) }, () => value(depth + 1));
      if (kind === 4) return { [`k"${random.integer(9)}`]: value(depth + 1), '}': ']' };
      return [random.integer(100), `a"b\\[${random.integer(9)}`, null][kind];
    };
    for (let round = 0; round < 200; round++) {
      const list = Array.from({ length: random.integer(6) }, () => value(0));
      const text = JSON.stringify(list, null, random.integer(3));
      expect(splitJsonRecords(text).map((record): unknown => JSON.parse(record.text))).toEqual(list);
    }
  });
});
