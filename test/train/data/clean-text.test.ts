import { expect, it } from 'vitest';
import { cleanText, replacePersonal, type PersonalKind } from '../../../src/train/data/clean-text.ts';

function replaced(text: string, kind: 'conversation' | 'paper' = 'conversation'): [string, PersonalKind[]] {
  const found: PersonalKind[] = [];
  return [replacePersonal(text, kind, (name) => found.push(name)), found];
}

it('removes control and zero-width characters and collapses spaces', () => {
  expect(cleanText('\ufeff 头\u200b痛\u0007\t　 三  天 \r\n \r\n\n\n怎么办\u3000')).toBe(
    '头痛 三 天\n\n怎么办',
  );
});

it.each([
  ['电话13812345678，谢谢', '电话〔手机号〕，谢谢', ['手机号']],
  ['身份证11010119900307123X。', '身份证〔身份证号〕。', ['身份证号']],
  ['座机010-12345678或0571 1234567', '座机〔电话〕或〔电话〕', ['电话', '电话']],
  ['加我QQ：123456789吧', '加我QQ：〔QQ号〕吧', ['QQ号']],
  ['微信号:abc_12345，', '微信号:〔微信号〕，', ['微信号']],
  ['写信到a.b@example.com', '写信到〔邮箱〕', ['邮箱']],
  ['见https://example.com/a?b=1。', '见〔网址〕。', ['网址']],
  ['请问王小明医生在吗', '请问〔姓名〕医生在吗', ['姓名']],
])('replaces what points to a person: %s', (text, expected, kinds) => {
  expect(replaced(text)).toEqual([expected, kinds]);
});

it.each([
  '血压150/100mmHg，服药12345678片',
  '王医生您好，高血压医生怎么看',
  '编号138123456789012345',
  '住院号20230101123，心率72次',
])('leaves what is none: %s', (text) => {
  expect(replaced(text)).toEqual([text, []]);
});

it('looks for names in conversations only', () => {
  expect(replaced('王小明医生报道', 'paper')[1]).toEqual([]);
});
