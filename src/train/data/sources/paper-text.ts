/**
 * From a paper in Markdown, as a converter made it of a PDF, to running Chinese text: without authors, affiliations,
 * funding, correspondence, references, tables, figures and English abstracts.
 */

export interface Paper {
  readonly title: string;
  readonly text: string;
}

const MIN_HAN = 1500;
const MIN_CLINICAL = 20;
const MIN_CLINICAL_PER_THOUSAND = 6;
const CLINICAL = /患者|临床|治疗|诊断|症状|疾病|手术|病例|疗效|药物|护理|预后|并发症|病变/gu;
const HAN = /\p{Script=Han}/gu;

const META =
  /^(?:关键词|关键字|中图分类号|文献标[识志]码|文章编号|DOI|基金|作者|通[信讯]作者|第一作者|收稿|修回|网络出版|引[用文]|单位|E-?mail|Key\s*words|Abstract|Foundation|Corresponding|利益冲突|开放科学|致谢|图\s*\d|表\s*\d|Fig|Tab)/iu;

/** Null for a document that is not a Chinese clinical paper of some length. */
export function readPaper(markdown: string): Paper | null {
  const blocks = markdown.split(/\n\s*\n/u).map((block) => block.trim());
  const end = blocks.findIndex((block) => /^#*\s*[[【]?参\s*考\s*文\s*献/u.test(block));
  const body = end < 0 ? blocks : blocks.slice(0, end);
  const headings = body.slice(0, 6).filter((block) => block.startsWith('#'));
  // The first may be the section of the journal.
  const title = headings
    .map(plainHeading)
    .reduce((best, next) => (next.length > best.length ? next : best), '');
  const start = body.findIndex((block) => /^#*\s*[[【]?\s*摘\s*要/u.test(block));
  const from = start >= 0 ? start : body.findIndex((block) => plainHeading(block) === title) + 1;
  const kept = body.slice(from).flatMap((block) => cleanBlock(block));
  const text = kept.join('\n');
  return title !== '' && isClinical(text) ? { title, text } : null;
}

function plainHeading(block: string): string {
  return (block.split('\n')[0] ?? '').replace(/^#+\s*/u, '').trim();
}

function cleanBlock(block: string): string[] {
  if (/^(?:!\[|\||<table|<html|\$\$)/iu.test(block)) return [];
  const plain = block.replace(/^#+\s*/u, '').replaceAll(/\s*\n\s*/gu, '');
  if (META.test(plain.replace(/^[[【]\s*/u, ''))) return [];
  const text = dropCitations(flattenFormulas(plain)).trim();
  const han = count(text, HAN);
  const isHeading = block.startsWith('#');
  // An English paragraph, a line of numbers.
  if (han < text.length * 0.3 || (!isHeading && han < 8)) return [];
  return [text];
}

/** "$3 0 \mathrm { m i n }$" is "30min"; what is more than that is left out. */
export function flattenFormulas(text: string): string {
  return text.replaceAll(/\$([^$]*)\$/gu, (_, formula: string) => {
    const flat = formula
      .replaceAll(/\\(?:mathrm|text|mathbf|mathit|operatorname)\b/gu, '')
      .replaceAll('\\pm', '±')
      .replaceAll(/\\(?:sim|thicksim)\b/gu, '~')
      .replaceAll('\\times', '×')
      .replaceAll(/\\(?:leqslant|leq|le)\b/gu, '≤')
      .replaceAll(/\\(?:geqslant|geq|ge)\b/gu, '≥')
      .replaceAll(/\\([%$&#])/gu, '$1')
      .replaceAll(/[\s{}~^_]|\\[,;! ]/gu, (found) => (found === '~' ? '~' : ''));
    return flat.includes('\\') ? '' : flat;
  });
}

function dropCitations(text: string): string {
  return text.replaceAll(/[[［]\s*\d+(?:\s*[-–~,，、]\s*\d+)*\s*[\]］]/gu, '').replaceAll('\\~', '~');
}

function isClinical(text: string): boolean {
  const han = count(text, HAN);
  const clinical = count(text, CLINICAL);
  return han >= MIN_HAN && clinical >= MIN_CLINICAL && (clinical * 1000) / han >= MIN_CLINICAL_PER_THOUSAND;
}

function count(text: string, pattern: RegExp): number {
  return text.match(pattern)?.length ?? 0;
}
