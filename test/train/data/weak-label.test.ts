import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { measureLabels } from '../../../src/train/data/measure-labels.ts';
import { guessSpecialty, SPECIALTY_NAMES } from '../../../src/train/data/weak-label.ts';
import lexicon from '../../../src/train/data/specialty-lexicon.json' with { type: 'json' };

it.each([
  ['最近血压偏高，心悸，做了心电图', 'cardiovascular'],
  ['得了糖尿病，血糖控制不好', 'endocrine_renal_blood'],
  ['8个月大的宝宝拉肚子', 'pediatrics'],
  ['他5岁半，夜里咳嗽', 'pediatrics'],
  ['确诊肺癌后还要化疗吗', 'oncology'],
  ['舌红苔薄，脉弦，辨证为肝郁', 'tcm'],
  ['情绪低落，总是焦虑', 'psychiatry'],
])('labels what is clear: %s', (text, specialty) => {
  expect(guessSpecialty(text)).toBe(specialty);
});

it.each(['你好，请问医生在吗', '医疗机构执业许可证由谁颁发', '怀孕后得了湿疹', ''])(
  'gives no label where nothing or two things are meant: %s',
  (text) => {
    expect(guessSpecialty(text)).toBeNull();
  },
);

it('takes the longest term: a cancer of the stomach is not counted as the stomach', () => {
  expect(guessSpecialty('胃癌')).toBe('oncology');
});

it('knows twelve specialties by at most 25 words each, no word for two of them', () => {
  const all = Object.values(lexicon).flatMap(({ terms }) => Object.keys(terms));
  expect(Object.keys(SPECIALTY_NAMES)).toHaveLength(12);
  for (const { terms } of Object.values(lexicon)) expect(Object.keys(terms).length).toBeLessThanOrEqual(25);
  expect(new Set(all).size).toBe(all.length);
});

function row(specialty: string | null, source: 'gold' | 'weak', content: string): string {
  return JSON.stringify({
    source: 's',
    specialty,
    specialty_src: source,
    messages: [{ content }, { content: '' }],
  });
}

it('is measured on the rows whose label the source gives', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'labels-'));
  mkdirSync(join(folder, 'sft'));
  const rows = [
    row('neurology', 'gold', '癫痫发作'),
    row('tcm', 'gold', '癫痫发作'),
    row('tcm', 'gold', '你好'),
    row('tcm', 'weak', '针灸'),
  ];
  writeFileSync(join(folder, 'sft/train.jsonl'), rows.join('\n'));
  expect(await measureLabels(folder)).toEqual([{ source: 's', rows: 3, decided: 2, right: 1 }]);
  rmSync(folder, { recursive: true });
});
