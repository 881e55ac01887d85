import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readExam } from '../../../src/eval/questions/read-exam.ts';

const root = mkdtempSync(join(tmpdir(), 'read-exam-'));
afterAll(() => rmSync(root, { recursive: true }));

let folders = 0;

/** A new folder with these files. */
function folder(files: Record<string, string | Buffer>): string {
  const path = join(root, String((folders += 1)));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(path, name)), { recursive: true });
    writeFileSync(join(path, name), content);
  }
  return path;
}

const GB18030_STEM = Buffer.from('cda8cad3cac7', 'hex'); // 痛视是 is no sentence; the bytes are GB2312.

function cmbItem(id: number, extra: object = {}): object {
  return {
    id,
    exam_type: '医师考试',
    exam_class: '执业医师',
    exam_subject: '神经内科',
    question: `第${id}题：测试用的问题`,
    question_type: '单项选择题',
    option: { A: '甲', B: '乙', C: '丙', D: '丁', E: '' },
    ...extra,
  };
}

describe('CMB as published', () => {
  const questions = [cmbItem(1), cmbItem(2, { question_type: '多项选择题' })];
  const answers = [
    { id: 1, exam_class: '执业医师', answer: 'C' },
    { id: 2, exam_class: '执业医师', answer: 'DA' },
  ];

  it('joins the questions with the answers of the other file', async () => {
    const path = folder({
      'CMB-test/CMB-test-choice-question-merge.json': JSON.stringify(questions, null, 2),
      'CMB-test/CMB-test-choice-answer.json': JSON.stringify(answers, null, 4),
      'CMB-val/CMB-val-merge.json': JSON.stringify([{ ...cmbItem(9), answer: 'A' }]),
    });
    const exam = await readExam('cmb', path);
    expect(exam.problems.count).toBe(0);
    expect(exam.questions).toEqual([
      {
        id: 'cmb-test-1',
        source: 'cmb-test',
        question: '第1题：测试用的问题',
        options: { A: '甲', B: '乙', C: '丙', D: '丁' },
        answer: 'C',
        kind: 'single',
        specialty: 'neurology',
        subject: '执业医师',
        exam: { type: '医师考试', class: '执业医师' },
      },
      expect.objectContaining({ id: 'cmb-test-2', answer: 'AD', kind: 'multiple' }),
    ]);
    expect(exam.description).toBe('CMB-Exam test: 2 of 11200 questions');
    const one = await readExam('cmb', join(path, 'CMB-test/CMB-test-choice-question-merge.json'));
    expect(one.questions).toEqual(exam.questions);
    const dev = await readExam('cmb', path, 'dev');
    expect(dev.questions.map(({ id }) => id)).toEqual(['cmb-val-9']);
  });

  it('reports each bad question with line and reason, and keeps the others', async () => {
    const items = [
      cmbItem(1, { answer: 'F' }),
      cmbItem(2, { answer: 'A', option: { A: '甲' } }),
      cmbItem(3, { answer: 'AB' }),
      cmbItem(4),
      cmbItem(5, { answer: 'A', question: ' ' }),
      cmbItem(6, { answer: 'B' }),
      cmbItem(6, { answer: 'B' }),
      cmbItem(7, { answer: 'E' }),
    ].map((item) => JSON.stringify(item));
    const text = `[\n${items.join(',\n')},\n{"id": 8, "question": 病人的话}\n]`;
    const exam = await readExam('cmb', folder({ 'CMB-test-choice-question-merge.json': text }));
    expect(exam.questions.map(({ id }) => id)).toEqual(['cmb-test-6']);
    expect(exam.problems.shown.map(({ line, id, reason }) => [line, id, reason])).toEqual([
      [2, 'cmb-test-1', 'answer: outside the options'],
      [3, 'cmb-test-2', 'options: fewer than two'],
      [4, 'cmb-test-3', 'answer: several letters for a question with one answer'],
      [5, 'cmb-test-4', 'answer: missing'],
      [6, 'cmb-test-5', 'question: missing'],
      [8, 'cmb-test-6', 'duplicate id'],
      [9, 'cmb-test-7', 'answer: outside the options'],
      [10, null, 'not valid JSON'],
    ]);
    expect(JSON.stringify(exam.problems.shown)).not.toContain('病人');
  });
});

describe('CMExam as published', () => {
  const header = 'Question,Options,Answer,Explanation,Disease Group,Area of Competency,Clinical Department';
  const row = '"疾病, 甲",""';

  it('reads options of several lines, quoted fields and annotations', async () => {
    const text = [
      header,
      '"测试用的""问题""一","A 甲\nB 乙, 丙\n续行\nC 丁",B,略,,,儿科',
      '测试用的问题二,"A 甲\nB 乙",AB,,,,不符合',
      '测试用的问题三,"A 甲\nB 乙",,,,,内科',
    ].join('\n');
    const path = folder({ 'test_with_annotations.csv': text, 'test.csv': header, 'train.csv': row });
    const exam = await readExam('cmexam', path);
    expect(exam.questions).toEqual([
      {
        id: 'cmexam-test-0000',
        source: 'cmexam-test',
        question: '测试用的"问题"一',
        options: { A: '甲', B: '乙, 丙\n续行', C: '丁' },
        answer: 'B',
        kind: 'single',
        specialty: 'pediatrics',
      },
      expect.objectContaining({ id: 'cmexam-test-0001', answer: 'AB', kind: 'multiple', specialty: null }),
    ]);
    expect(exam.problems.shown.map(({ line, reason }) => [line, reason])).toEqual([[8, 'answer: missing']]);
    expect(exam.description).toBe('CMExam test: 2 of 6811 questions');
  });

  const plain = `${header}\n头痛的原因是,"A 感冒\nB 发热",A,,,,\n`;

  it.each([
    ['UTF-8 with a byte order mark', Buffer.from(`\ufeff${plain}`)],
    ['UTF-16 with a byte order mark', Buffer.from(`\ufeff${plain}`, 'utf16le')],
    [
      'GB18030',
      Buffer.concat([
        Buffer.from(`${header}\n`),
        Buffer.from('cdb7cdb4b5c4d4add2f2cac7', 'hex'),
        Buffer.from(',"A '),
        Buffer.from('b8d0c3b0', 'hex'),
        Buffer.from('\nB '),
        Buffer.from('b7a2c8c8', 'hex'),
        Buffer.from('",A,,,,\n'),
      ]),
    ],
  ])('reads %s', async (_, bytes) => {
    const { questions } = await readExam('cmexam', folder({ 'cmexam_test.csv': bytes, 'val.csv': header }));
    expect(questions).toMatchObject([{ question: '头痛的原因是', options: { A: '感冒', B: '发热' } }]);
  });

  it('does not take UTF-8 with a broken byte for another encoding', async () => {
    const rows = Array.from({ length: 20 }, (_, n) => `第${n}个完好的问题,"A 感冒\nB 发热",A,,,,`);
    const bytes = Buffer.concat([
      Buffer.from(`${header}\n${rows.join('\n')}\n`),
      GB18030_STEM,
      Buffer.from(',"A 感冒\nB 发热",A,,,,\n'),
    ]);
    const exam = await readExam('cmexam', folder({ 'test.csv': bytes }));
    expect(exam.questions).toHaveLength(20);
    expect(exam.problems.shown).toMatchObject([{ line: 42, reason: 'not valid text in its encoding' }]);
  });
});

function csv(answer: string): string {
  return `,Question,A,B,C,D,Answer\n0,测试用的问题,甲,乙,丙,丁,${answer}\n`;
}

describe('CMMLU as published', () => {
  const path = folder({
    'data/test/anatomy.csv': csv('B'),
    'data/test/college_medical_statistics.csv': csv('C'),
    'data/test/traditional_chinese_medicine.csv': csv('D'),
    'data/test/astronomy.csv': csv('A'),
    'data/dev/anatomy.csv': csv('A'),
  });

  it('takes the medical subjects of the part, and tells the two subsets apart', async () => {
    const exam = await readExam('cmmlu-med', path);
    expect(exam.questions).toMatchObject([
      { id: 'cmmlu-test-anatomy-000', subject: 'anatomy', subset: 'core7', answer: 'B', specialty: null },
      { subject: 'college_medical_statistics', subset: 'extended' },
      { subject: 'traditional_chinese_medicine', subset: 'core7', specialty: 'tcm' },
    ]);
    expect(exam.description).toContain('2 of 1333');
    const dev = await readExam('cmmlu-med', path, 'dev');
    expect(dev.questions.map(({ id, answer }) => [id, answer])).toEqual([['cmmlu-dev-anatomy-000', 'A']]);
  });
});

describe('normalised JSON Lines', () => {
  const question = {
    source: 'cmb-test-single2000',
    question: '问题',
    options: { A: '甲', B: '乙' },
    answer: 'A',
    qtype: 'single',
    specialty: null,
  };
  const lines = [
    { ...question, id: 'a', specialty: 'neurology' },
    { ...question, id: 'b', specialty: 'astrology' },
    { ...question, id: '', specialty: null },
    { ...question, id: 'c', options: undefined },
  ].map((row) => JSON.stringify(row));

  it('names the sample for what it is, and knows specialties by the list beside it', async () => {
    const path = folder({
      'specialties.json': '{"specialties":{"neurology":"神经"}}',
      'eval/cmb.jsonl': lines.join('\n'),
      'eval/cmexam.jsonl': '',
    });
    const exam = await readExam('cmb', join(path, 'eval'));
    expect(exam.questions.map(({ id }) => id)).toEqual(['a']);
    expect(exam.problems.shown.map(({ line, reason }) => [line, reason])).toEqual([
      [2, 'specialty: unknown'],
      [3, 'id: wrong form'],
      [4, 'options: fewer than two'],
    ]);
    expect(exam.description).toContain('not CMB-Exam');
  });
});

it('reads a copy of CMExam in the form of medLLM_QA_benchmark', async () => {
  const text = '{"problem_id": 7, "problem_text": "问题", "choices": ["甲", "乙"], "answer": ["b"]}\n';
  const path = folder({ 'cmexam.jsonl': text, 'other.jsonl': text });
  const exam = await readExam('cmexam', path);
  expect(await readExam('cmexam', join(path, 'other.jsonl'))).toMatchObject({ questions: exam.questions });
  expect(exam.questions).toMatchObject([
    { id: 'cmexam-test-0007', options: { A: '甲', B: '乙' }, answer: 'B' },
  ]);
});

it('says what to give where there is nothing', async () => {
  await expect(readExam('cmb', join(root, 'nowhere'))).rejects.toMatchObject({ code: 'unreadable_data' });
  const other = folder({ 'cmb.jsonl': '{}' });
  await expect(readExam('cmexam', other)).rejects.toMatchObject({ code: 'no_questions' });
});
