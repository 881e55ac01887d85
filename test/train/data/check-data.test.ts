import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, expect, it } from 'vitest';
import { checkData } from '../../../src/train/data/check-data.ts';
import { copyClean } from '../../../src/train/data/clean-copy.ts';
import { renderDedupe } from '../../../src/train/data/dedupe/report.ts';

const root = mkdtempSync(join(tmpdir(), 'check-data-'));
afterAll(() => rmSync(root, { recursive: true }));

const QUESTION = '风湿性心脏病二尖瓣狭窄最常见的心律失常是';
const base = { source: 'planted', license: 'CC0-1.0', specialty: null };
const mcq = (id: string, question: string, extra: object = {}): object => ({
  ...base,
  id,
  question,
  options: { A: '甲', B: '乙' },
  answer: 'A',
  qtype: 'single',
  note: 'kept',
  ...extra,
});

function write(folder: string, name: string, rows: readonly object[], zip = false): void {
  const path = join(root, folder, name);
  mkdirSync(dirname(path), { recursive: true });
  const text = rows.map((row) => JSON.stringify(row)).join('\n');
  writeFileSync(path, zip ? gzipSync(text) : text);
}

write('data', 'mcq/train.jsonl.gz', [mcq('m1', '无关的问题是什么'), mcq('m2', `${QUESTION}（ ）。`)], true);
write('data', 'mcq/valid.jsonl', [
  mcq('m3', '另一个问题', { explanation: `与“${QUESTION}”同类。` }),
  mcq('m4', '答案在选项之外', { answer: 'E' }),
  mcq('m1', '同一个标识'),
]);
write('data', 'sft/train.jsonl', [
  {
    ...base,
    id: 's1',
    messages: [
      { role: 'user', content: '请问' },
      { role: 'assistant', content: '请讲' },
      { role: 'user', content: QUESTION.slice(1) },
      { role: 'assistant', content: '房颤' },
    ],
  },
]);
write('data', 'pretrain/train.jsonl', [{ ...base, id: 'p1', text: '正常的文章。' }]);
writeFileSync(join(root, 'data/specialties.json'), '{"specialties":{"tcm":"中医"}}');

const data = join(root, 'data');
const evaluation = [{ set: 'cmb', id: 'e1', question: QUESTION }];

it('tells every planted duplicate, every bad row, and no other', async () => {
  const { dedupe, problems, files } = await checkData(data, evaluation);
  expect(dedupe.matches.map(({ row, file, kind, id }) => [row, file, kind, id])).toEqual([
    ['s1', 'sft/train.jsonl', 'near duplicate', 'e1'],
    ['m2', 'mcq/train.jsonl.gz', 'same question', 'e1'],
    ['m3', 'mcq/valid.jsonl', 'stem contained', 'e1'],
  ]);
  expect(dedupe).toMatchObject({ rowsCompared: 5, rowsMatched: 3, evaluation: { cmb: 1 } });
  expect(problems.shown.map(({ line, id, reason }) => [line, id, reason])).toEqual([
    [2, 'm4', 'answer: every letter of the answer must be an option'],
    [3, 'm1', 'id: duplicate'],
  ]);
  expect(files).toContainEqual({ file: 'mcq/valid.jsonl', rows: 1 });
  const report = renderDedupe(dedupe);
  expect(report).toContain('| planted | 1 | 1 | 1 |');
  expect(report).not.toContain('二尖瓣');
});

it('copies a clean directory without those rows and with every field of the others', async () => {
  const folder = join(root, 'source');
  write('source', 'mcq/train.jsonl', [mcq('a', '无关的问题是什么'), mcq('b', QUESTION)]);
  writeFileSync(join(folder, 'specialties.json'), '{"specialties":{}}');
  const out = join(root, 'clean');
  const written = await copyClean(folder, out, await checkData(folder, evaluation));
  expect(written['mcq/train.jsonl.gz']?.rows).toBe(1);
  const rows = gunzipSync(readFileSync(join(out, 'mcq/train.jsonl.gz'))).toString();
  expect(JSON.parse(rows)).toEqual(mcq('a', '无关的问题是什么'));
  expect((await checkData(out, evaluation)).dedupe.rowsMatched).toBe(0);
});

it('refuses a folder without rows', async () => {
  await expect(checkData(join(root, 'nowhere'), evaluation)).rejects.toMatchObject({ code: 'no_data' });
});
