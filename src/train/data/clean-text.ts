/** Text of a source without what is not text, and without what points to a person. */

/** Control and zero-width characters go, runs of spaces become one, line ends are "\n", at most one line stays empty. */
export function cleanText(text: string): string {
  return text
    .replaceAll(/\r\n?/gu, '\n')
    .replaceAll(/[\u200b-\u200f\u2028-\u202e\u2060\ufeff]|(?!\n)\p{Cc}/gu, (found) =>
      found === '\t' ? ' ' : '',
    )
    .replaceAll(/[ \u00a0\u3000]+/gu, ' ')
    .replaceAll(/ ?\n ?/gu, '\n')
    .replaceAll(/\n{3,}/gu, '\n\n')
    .trim();
}

export const PERSONAL_KINDS = [
  '身份证号',
  '手机号',
  '电话',
  '邮箱',
  '网址',
  'QQ号',
  '微信号',
  '姓名',
] as const;
export type PersonalKind = (typeof PERSONAL_KINDS)[number];

/** In this order: a number that is two things is the first of them. The first group, if any, stays. */
const PATTERNS: readonly (readonly [PersonalKind, RegExp])[] = [
  ['网址', /(?:https?:\/\/|www\.)[\w\-./?%&=#:~+]+/giu],
  ['邮箱', /[\w.+-]+@[\w-]+(?:\.[\w-]+)+/giu],
  ['身份证号', /(?<!\d)[1-9]\d{5}(?:19|20)\d{9}[\dXx](?!\d)/gu],
  ['手机号', /(?<!\d)1[3-9]\d{9}(?!\d)/gu],
  ['电话', /(?<!\d)(?:0\d{2,3}[-－ ]\d{7,8}|0(?:10|2\d|[3-9]\d{2})\d{7,8}|400-?\d{3}-?\d{4})(?!\d)/gu],
  ['QQ号', /((?:QQ|扣扣)群?号?\s*(?:码|是|为)?\s*[:：]?\s*)\d{5,12}(?!\d)/giu],
  ['微信号', /((?:微信|威信|weixin)号?\s*(?:是|为)?\s*[:：]?\s*)[a-z][\w-]{5,19}(?!\w)/giu],
];

const SURNAMES =
  '王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文';

/**
 * A surname, a given name and a title, after something that a name can follow: "找王小明医生". A surname and a title
 * alone ("王医生") say too little to be a name, and a word in front would make a name of any two characters.
 */
const DOCTOR_NAME = new RegExp(
  `(^|[\\s,，。.!！?？、:：;；（(]|请问|请|找|问|是|叫|谢谢|感谢|尊敬的|科|院)[${SURNAMES}](?!血压|血糖|血脂|位|个|多|于|是)\\p{Script=Han}{2}(?=(?:主治|主任|副主任)?(?:医生|医师|大夫|教授|主任))`,
  'gmu',
);

/** Every find is replaced by its kind in brackets, 〔手机号〕, and told. Names are looked for in conversations only. */
export function replacePersonal(
  text: string,
  kind: 'conversation' | 'paper',
  onFound: (kind: PersonalKind) => void,
): string {
  let result = text;
  const patterns = kind === 'conversation' ? [...PATTERNS, ['姓名', DOCTOR_NAME] as const] : PATTERNS;
  for (const [name, pattern] of patterns) {
    result = result.replaceAll(pattern, (_found, before: unknown) => {
      onFound(name);
      return `${typeof before === 'string' ? before : ''}〔${name}〕`;
    });
  }
  return result;
}
