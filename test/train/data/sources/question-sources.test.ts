import { strToU8, zipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { readSource } from './source-files.ts';

/** The least that a spreadsheet is. */
function makeXlsx(rows: readonly (readonly (string | number)[])[]): Uint8Array {
  const cells = rows.map((row, at) => {
    const line = row.map((value, column) => {
      const place = `${String.fromCharCode(65 + column)}${at + 1}`;
      if (typeof value === 'number') return `<c r="${place}"><v>${value}</v></c>`;
      return `<c r="${place}" t="inlineStr"><is><t xml:space="preserve">${value}</t></is></c>`;
    });
    return `<row r="${at + 1}">${line.join('')}</row>`;
  });
  const main = 'http://schemas.openxmlformats.org/spreadsheetml/2006/main';
  const office = 'http://schemas.openxmlformats.org/officeDocument/2006/relationships';
  const relations = 'http://schemas.openxmlformats.org/package/2006/relationships';
  const files = {
    '[Content_Types].xml':
      '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="xml" ContentType="application/xml"/></Types>',
    'xl/workbook.xml': `<workbook xmlns="${main}" xmlns:r="${office}"><sheets><sheet name="a" sheetId="1" r:id="rId1"/></sheets></workbook>`,
    'xl/_rels/workbook.xml.rels': `<Relationships xmlns="${relations}"><Relationship Id="rId1" Type="${office}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>`,
    'xl/worksheets/sheet1.xml': `<worksheet xmlns="${main}"><sheetData>${cells.join('')}</sheetData></worksheet>`,
  };
  return zipSync(Object.fromEntries(Object.entries(files).map(([name, text]) => [name, strToU8(text)])));
}

describe('sources of questions', () => {
  it('reads the spreadsheet of CMExam val', async () => {
    const { drafts } = await readSource('cmexam-val', {
      'val.xlsx': makeXlsx([
        ['Question', 'Options', 'Answer', 'Explanation'],
        ['测试问题一', 'A 甲\nB 乙\nC 丙', 'B', '因为。'],
        [42, 'A 甲\nB 乙', 'AB', ''],
      ]),
    });
    expect(drafts).toEqual([
      {
        part: 'mcq',
        id: 'cmexam-val-0000',
        question: '测试问题一',
        options: { A: '甲', B: '乙', C: '丙' },
        answer: 'B',
        explanation: '因为。',
      },
      expect.objectContaining({ id: 'cmexam-val-0001', question: '42', answer: 'AB' }),
    ]);
  });

  it('reads MedQA of mainland China, without the empty bracket of a stem', async () => {
    const row = { problem_id: 3, problem_text: '测试问题（ ）。', choices: ['甲', '乙'], answer: ['b'] };
    const { drafts, problems } = await readSource('medqa-zh-test', {
      'data/zh/MedQA/medqa_zh.jsonl': `${JSON.stringify(row)}\n{"problem_id": 4}\n`,
      'data/zh/CMExam/cmexam.jsonl': JSON.stringify(row),
    });
    expect(drafts).toEqual([
      {
        part: 'mcq',
        id: 'medqa-zh-test-0003',
        question: '测试问题',
        options: { A: '甲', B: '乙' },
        answer: 'b',
      },
    ]);
    expect(problems).toEqual(['2: problem_text: missing or of another form']);
  });

  it('reads the clinical subjects of the CPsyExam archive', async () => {
    const row = {
      subject_name: '心理咨询',
      question: '案例一：测试',
      options: { A: '甲', B: '乙', C: '', D: null },
      answer: 'A',
      explanation: '略',
    };
    const zip = zipSync({
      'train/CA-心理咨询-单项选择题.json': strToU8(JSON.stringify([row])),
      'train/KG-SSE-文学类广告心理学-单项选择题.json': strToU8(
        JSON.stringify([{ ...row, subject_name: '文学类广告心理学' }]),
      ),
      'test/CA-心理咨询-单项选择题.json': strToU8(JSON.stringify([row])),
    });
    const { drafts } = await readSource('cpsyexam', { 'evaluations/llmeval/cpsyexam/cpsyexam.zip': zip });
    expect(drafts).toMatchObject([
      { question: '案例一：测试', options: { A: '甲', B: '乙' }, answer: 'A', specialty: 'psychiatry' },
    ]);
    expect(drafts[0]?.id).toMatch(/^cpsyexam-[0-9a-f]{12}$/);
  });

  it('reads the medical questions of Xiezhi, whose answer is a text', async () => {
    const rows = [
      { question: '测试_____', labels: ['医学', '中医学'], answer: '乙', options: '甲\n乙\n丙' },
      { question: '测试_____', labels: ['历史学'], answer: '乙', options: '甲\n乙' },
      { question: '测试_____', labels: ['医学'], answer: '丁', options: '甲\n乙' },
    ];
    const { drafts, problems } = await readSource('xiezhi-med', {
      'Evaluator_Xiezhi/tasks/train/xiezhi_train_chn/xiezhi.v1.1.json': rows
        .map((row) => JSON.stringify(row))
        .join('\n'),
    });
    expect(drafts).toMatchObject([{ answer: 'B', subject: '医学/中医学' }]);
    expect(problems).toEqual(['3: answer: outside the options']);
  });

  it('reads the medical subjects of the C-Eval archive', async () => {
    const csv = 'id,question,A,B,C,D,answer,explanation\n7,测试____,甲,乙,丙,丁,C,因为\n';
    const zip = zipSync({
      'dev/physician_dev.csv': strToU8(csv),
      'dev/law_dev.csv': strToU8(csv),
      'test/physician_test.csv': strToU8(csv),
    });
    const { drafts } = await readSource('ceval', { 'evaluations/llmeval/ceval/ceval.zip': zip });
    expect(drafts).toEqual([
      {
        part: 'mcq',
        id: 'ceval-dev-physician-7',
        question: '测试____',
        options: { A: '甲', B: '乙', C: '丙', D: '丁' },
        answer: 'C',
        explanation: '因为',
        subject: 'physician',
      },
    ]);
  });
});
