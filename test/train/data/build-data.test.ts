import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, expect, it } from 'vitest';
import { buildData } from '../../../src/train/data/build-data.ts';
import { checkData } from '../../../src/train/data/check-data.ts';
import type { McqRow, SftRow } from '../../../src/train/data/rows.ts';
import { SOURCES } from '../../../src/train/data/sources/registry.ts';
import { SPECIALTY_NAMES } from '../../../src/train/data/weak-label.ts';
import { writeFiles } from './sources/source-files.ts';

const root = mkdtempSync(join(tmpdir(), 'build-data-'));
afterAll(() => rmSync(root, { recursive: true }));

const STEM = '一名患者出现双下肢水肿和大量蛋白尿首先应当考虑的诊断是';
const questions = Array.from({ length: 60 }, (_, at) => ({
  problem_id: at,
  problem_text: `第${at}号题：糖尿病患者血糖控制的目标${at}是什么`,
  choices: [`甲${at}`, `乙${at}`],
  answer: ['a'],
}));
const broken = [
  { problem_id: 100, problem_text: `${STEM}（ ）`, choices: ['甲', '乙'], answer: ['a'] },
  { ...questions[0], problem_id: 101 },
  { problem_id: 102, problem_text: '答案在选项之外的问题', choices: ['甲', '乙'], answer: ['e'] },
  { problem_id: 1, problem_text: '标识重复的另一个问题', choices: ['甲', '乙'], answer: ['a'] },
];
writeFiles(join(root, 'sources'), {
  // As owner/name, and as a clone lies there.
  'aistairc/medLLM_QA_benchmark/data/zh/MedQA/medqa_zh.jsonl': [...questions, ...broken]
    .map((row) => JSON.stringify(row))
    .join('\n'),
  'Zhongjing/data/huatuo26M_test.json': JSON.stringify([
    { instruction: ['胃痛怎么办，我的电话13812345678'], input: '', output: ['少吃辣。\u200b'] },
    { instruction: [''], input: '', output: ['没有问题的回答'] },
  ]),
  'LLaMA-Factory/data/cMedQA2/test.json': JSON.stringify([
    { instruction: '请回答', input: '头痛', output: '休息' },
  ]),
});

const request = {
  sourcesFolder: join(root, 'sources'),
  sources: SOURCES,
  evaluation: [{ set: 'cmexam', id: 'e', question: STEM }],
  specialties: SPECIALTY_NAMES,
};
const out = join(root, 'out');
const { manifest, missing, problems } = await buildData({ ...request, outFolder: out });

function rows<T>(name: string): T[] {
  const text = gunzipSync(readFileSync(join(out, name))).toString();
  return text
    .trim()
    .split('\n')
    .map((line): T => JSON.parse(line));
}

it('counts what became of the rows of each source, and names those that are missing', () => {
  expect(manifest.sources['medqa-zh-test']).toMatchObject({
    rows: 60,
    malformed: 1,
    duplicates: 2,
    contaminated: 1,
    repository: 'aistairc/medLLM_QA_benchmark',
  });
  expect(manifest.sources['huatuo26m-test']).toMatchObject({
    rows: 1,
    malformed: 1,
    personal: { 手机号: 1 },
  });
  expect(manifest.dedupe.matches).toMatchObject([
    { row: 'medqa-zh-test-0100', id: 'e', kind: 'same question' },
  ]);
  expect(missing.map(({ id }) => id)).toContain('cmexam-val');
  expect(missing).toHaveLength(SOURCES.length - 3);
  expect(problems.shown.map(({ id, reason }) => [id, reason])).toEqual([
    ['medqa-zh-test-0102', 'answer: every letter of the answer must be an option'],
    ['medqa-zh-test-0001', 'id: duplicate'],
    ['huatuo26m-0001', expect.stringContaining('messages')],
  ]);
});

it('writes rows that training reads, with provenance, labels and splits', async () => {
  const { train, valid } = {
    train: rows<McqRow>('mcq/train.jsonl.gz'),
    valid: rows<McqRow>('mcq/valid.jsonl.gz'),
  };
  expect(train.length + valid.length).toBe(60);
  expect(valid.length).toBeGreaterThan(0);
  expect(valid.length).toBeLessThan(15);
  expect(train[0]).toMatchObject({
    source: 'medqa-zh-test',
    license: 'MIT',
    specialty: 'endocrine_renal_blood',
    qtype: 'single',
  });
  expect(rows<SftRow>('sft/train.jsonl.gz')).toMatchObject([
    {
      id: 'huatuo26m-0000',
      specialty: 'digestive',
      specialty_src: 'weak',
      messages: [{ content: '胃痛怎么办，我的电话〔手机号〕' }, { content: '少吃辣。' }],
    },
  ]);
  expect(rows<SftRow>('sft/train_nc.jsonl.gz')).toHaveLength(1);
  const router = rows<{ id: string; text: string }>('router/train.jsonl.gz');
  expect(router.map(({ id }) => id)).not.toContain('r-cmedqa2-0000');
  const check = await checkData(out, request.evaluation);
  expect(check.problems.count).toBe(0);
  expect(check.dedupe.rowsMatched).toBe(0);
});

it('gives the same bytes for the same files', async () => {
  const again = await buildData({ ...request, outFolder: join(root, 'again') });
  expect(again.manifest).toEqual(manifest);
  expect(Object.keys(manifest.files)).toContain('router/train.jsonl.gz');
});
