import { describe, expect, it } from 'vitest';
import { chunkText } from '../../../../src/train/data/sources/chunk-text.ts';
import { flattenFormulas, readPaper } from '../../../../src/train/data/sources/paper-text.ts';
import type { Draft } from '../../../../src/train/data/sources/source.ts';
import { readSource } from './source-files.ts';

const PARAGRAPH =
  '本组患者均接受手术治疗，术后护理与临床观察显示症状明显改善，并发症少，预后良好[1-3]，用时$3 0 \\mathrm { m i n }$。';
const PAPER = [
  '# 临床研究',
  '# 某种治疗对患者预后的影响',
  '张某某，李某某\n某医院，某地 100000',
  '摘要：目的观察治疗对患者的影响。',
  '关键词：患者；治疗',
  'Abstract Objective To observe the effect of treatment on patients in a clinical study.',
  '# 1 资料与方法',
  ...Array.from({ length: 40 }, () => PARAGRAPH),
  '图 1 患者的影像',
  '| 指标 | 治疗组 |',
  '![](images/a.jpg)',
  '作者简介：张某某，主任医师',
  '# 参考文献',
  '[1] 某某.某文.某刊,2017.',
].join('\n\n');

function textOf(draft: Draft | undefined): string {
  return draft?.part === 'pretrain' ? draft.text : '';
}

describe('papers', () => {
  it('keeps title and running text, and nothing of people, references, tables and figures', () => {
    const paper = readPaper(PAPER);
    expect(paper?.title).toBe('某种治疗对患者预后的影响');
    expect(paper?.text.startsWith('摘要：目的观察治疗对患者的影响。\n1 资料与方法\n本组患者')).toBe(true);
    expect(paper?.text).toContain('预后良好，用时30min。');
    expect(paper?.text).not.toMatch(/张某某|关键词|Abstract|参考|图 1|指标|images|\[1/u);
  });

  it('leaves out what is short, or not clinical', () => {
    expect(readPaper(PAPER.slice(0, 900))).toBeNull();
    const other = '本文研究星系的演化与恒星形成的历史，给出观测的结果与理论的比较，并讨论其意义与局限。';
    expect(readPaper(`# 星系的演化\n\n${Array.from({ length: 80 }, () => other).join('\n\n')}`)).toBeNull();
  });

  it('flattens simple formulas and drops others', () => {
    expect(
      flattenFormulas('$P { < } 0 . 0 5$、$1 0 \\%$、$1 2 . 3 { \\pm } 4 . 5$、$\\frac { a } { b }$'),
    ).toBe('P<0.05、10%、12.3±4.5、');
  });

  it('gives all rows of a paper one group', async () => {
    const { drafts } = await readSource('chinaxiv-med', { 'md/ChinaXiv-201701.00001V1.md': PAPER });
    expect(drafts[0]).toMatchObject({
      id: 'chinaxiv-201701.00001V1-00',
      kind: 'paper',
      group: 'chinaxiv-201701.00001V1',
    });
  });
});

it('cuts at ends of paragraphs, of sentences where a paragraph is too long, and hard at last', () => {
  expect(chunkText('甲甲。\n\n乙乙。\n丙丙丙丙。', 8)).toEqual(['甲甲。\n乙乙。', '丙丙丙丙。']);
  expect(chunkText('甲甲。乙乙。丙丙。', 6)).toEqual(['甲甲。乙乙。', '丙丙。']);
  expect(chunkText('一二三四五六七', 3)).toEqual(['一二三', '四五六', '七']);
  expect(chunkText(' \n ')).toEqual([]);
});

it('reads a classical work in GB18030, joining the lines of its transcription', async () => {
  // <篇名>甲 / 书名：甲 / 作者：乙 / <篇名>丙 / 属性：丁丁 / 翁翁 \x己\x
  const hex =
    '3cc6aac3fb3ebcd70acae9c3fba3babcd70ad7f7d5dfa3bad2d20a0a3cc6aac3fb3eb1fb0acaf4d0d4a3bab6a1b6a1200acecccecc205c78bcba5c780a';
  const { drafts } = await readSource('tcm-classics', { '018-甲.txt': Buffer.from(hex, 'hex') });
  expect(drafts).toMatchObject([{ id: 'tcm-018-0000', title: '甲', kind: 'classic', specialty: 'tcm' }]);
  expect(textOf(drafts[0])).toBe('丙\n丁丁翁翁 己');
});

it('reads course notes by subject, without front matter and remarks', async () => {
  const body = `${'肾病综合征的诊断标准如下。'.repeat(12)}<!--TODO: 补充-->`;
  const { drafts } = await readSource('clinical-medicine-notes', {
    'content/Internal/nephrology.md': `---\ntitle: x\n---\n# 肾病\n${body}\n`,
    'content/Pathology/main.md': '太短',
  });
  expect(drafts).toMatchObject([{ specialty: 'endocrine_renal_blood', title: 'Internal', kind: 'note' }]);
  expect(textOf(drafts[0])).not.toMatch(/title|TODO/u);
});
