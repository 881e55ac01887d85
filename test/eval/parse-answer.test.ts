import { describe, expect, it } from 'vitest';
import { parseAnswer } from '../../src/eval/parse-answer.ts';

const letters = ['A', 'B', 'C', 'D', 'E'];

describe('parseAnswer', () => {
  it.each<[string, string | null]>([
    ['B', 'B'],
    [' C。', 'C'],
    ['答案：D\n解析：A 不对', 'D'],
    ['正确答案是B，因为A错', 'B'],
    ['A项错误，所以答案应为 E', 'E'],
    ['（C）', 'C'],
    ['Ｂ．肺炎', 'B'],
    ['本题应选D。', 'D'],
    ['这道题考查 DNA 的结构，B 正确', 'B'],
    ['答案是AC', 'A'],
    ['DNA', null],
    ['不知道', null],
    ['', null],
    ['答案：F', null],
  ])('reads one letter of %j', (text, expected) => {
    expect(parseAnswer(text, letters, 'single')).toBe(expected);
  });

  it.each<[string, string | null]>([
    ['ABD', 'ABD'],
    ['答案：D、A、B', 'ABD'],
    ['答案是A，C和E。', 'ACE'],
    ['A, B', 'AB'],
    ['B 和 D 都对，别的不对', 'BD'],
    ['都不对', null],
  ])('reads all letters of %j', (text, expected) => {
    expect(parseAnswer(text, letters, 'multiple')).toBe(expected);
  });

  it('reads only letters that are options', () => {
    expect(parseAnswer('答案：E', ['A', 'B', 'C', 'D'], 'single')).toBeNull();
  });
});
