/** Sources of multiple-choice questions. */
import { readSheet } from 'read-excel-file/node';
import * as z from 'zod';
import { readCsvRecords } from '../../../base/csv-records.ts';
import { hashText } from '../dedupe/normalise.ts';
import { jsonRows, textRows } from './json-source.ts';
import type { Draft, Source } from './source.ts';
import { unzip } from './unzip.ts';

/** Options in one cell, a line each: "A text". */
function optionsOfLines(cell: string): Record<string, string> {
  const options: Record<string, string> = {};
  for (const line of cell.split('\n')) {
    const match = /^\s*([A-Z])[\s.．、:：]+(.*)$/u.exec(line);
    if (match?.[1] !== undefined) options[match[1]] = match[2] ?? '';
  }
  return options;
}

/** A cell with a number alone is a number to the reader. */
function textOfCell(value: unknown): string {
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
}

function optionsOfList(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(texts.map((text, at) => [String.fromCharCode(65 + at), text]));
}

const cmexamVal: Source = {
  id: 'cmexam-val',
  repository: 'kyre-99/CMExam-Dataset',
  commit: '303a45e554c0',
  files: /^val\.xlsx$/u,
  where: 'val.xlsx',
  license: 'Apache-2.0',
  async *read(folder) {
    for (const path of folder.paths) {
      const [header = [], ...rows] = await readSheet(Buffer.from(await folder.bytes(path)));
      const column = (name: string): number => header.indexOf(name);
      const cell = (row: readonly unknown[], name: string): string => textOfCell(row[column(name)]);
      for (const [index, row] of rows.entries()) {
        yield {
          part: 'mcq',
          id: `cmexam-val-${String(index).padStart(4, '0')}`,
          question: cell(row, 'Question'),
          options: optionsOfLines(cell(row, 'Options')),
          answer: cell(row, 'Answer'),
          explanation: cell(row, 'Explanation'),
        };
      }
    }
  },
};

const choicesSchema = z.object({
  problem_id: z.union([z.int(), z.string()]),
  problem_text: z.string(),
  choices: z.array(z.string()),
  answer: z.array(z.string()),
});

const medqaZh: Source = {
  id: 'medqa-zh-test',
  repository: 'aistairc/medLLM_QA_benchmark',
  commit: '614599e50420',
  files: /^data\/zh\/MedQA\/medqa_zh\.jsonl$/u,
  where: 'data/zh/MedQA/medqa_zh.jsonl',
  license: 'MIT',
  async *read(folder) {
    for await (const { value } of jsonRows(folder, choicesSchema)) {
      yield {
        part: 'mcq',
        id: `medqa-zh-test-${String(value.problem_id).padStart(4, '0')}`,
        // Some stems end in the empty bracket of a printed exam.
        question: value.problem_text.replace(/[（(]\s*[）)]\s*[。.]?$/u, ''),
        options: optionsOfList(value.choices),
        answer: value.answer.join(''),
      };
    }
  },
};

const cpsyexamSchema = z.object({
  subject_name: z.string(),
  question: z.string(),
  options: z.record(z.string(), z.string().nullable()),
  answer: z.string(),
  explanation: z.string().nullish(),
});

/**
 * The subjects of its exams that are about patients, not about schools or advertising. By the rows, since the names in
 * an archive need not be UTF-8.
 */
const CLINICAL_SUBJECT = /^(?:心理咨询|心理诊断|心理理论|临床与咨询心理学|变态心理学|医学类)/u;

const cpsyexam: Source = {
  id: 'cpsyexam',
  repository: 'CAS-SIAT-XinHai/CPsyExam',
  commit: '2cb3af808516',
  files: /^evaluations\/llmeval\/cpsyexam\/cpsyexam\.zip$/u,
  where: 'evaluations/llmeval/cpsyexam/cpsyexam.zip',
  license: 'CC0-1.0',
  async *read(folder) {
    for (const zipPath of folder.paths) {
      for (const { path, text } of unzip(await folder.bytes(zipPath))) {
        if (!/(?:^|\/)(?:train|dev)\/[^/]+\.json$/u.test(path)) continue;
        for (const { value } of textRows(text, `${zipPath}!${path}`, cpsyexamSchema, folder)) {
          if (!CLINICAL_SUBJECT.test(value.subject_name)) continue;
          const options = Object.fromEntries(
            Object.entries(value.options).flatMap(([letter, option]) => (option ? [[letter, option]] : [])),
          );
          const digest = Buffer.from(hashText(`${value.question}${JSON.stringify(options)}`), 'base64');
          yield {
            part: 'mcq',
            id: `cpsyexam-${digest.toString('hex').slice(0, 12)}`,
            question: value.question,
            options,
            answer: value.answer,
            explanation: value.explanation ?? '',
            subject: value.subject_name,
            specialty: 'psychiatry',
          };
        }
      }
    }
  },
};

const xiezhiSchema = z.object({
  question: z.string(),
  options: z.string(),
  answer: z.string(),
  labels: z.array(z.string()),
});

const xiezhi: Source = {
  id: 'xiezhi-med',
  repository: 'MikeGu721/XiezhiBenchmark',
  commit: '9c6ba468d1ed',
  files: /(?:spec|inter|train)_chn\/xiezhi\.v1\.1\.json$/u,
  where:
    'Evaluator_Xiezhi/tasks/{test/xiezhi_spec_chn,test/xiezhi_inter_chn,train/xiezhi_train_chn}/xiezhi.v1.1.json',
  license: 'CC-BY-NC-SA-4.0',
  nonCommercial: true,
  async *read(folder) {
    for await (const { path, line, value } of jsonRows(folder, xiezhiSchema)) {
      if (!value.labels.includes('医学')) continue;
      const options = optionsOfList(value.options.split('\n').filter((text) => text.trim() !== ''));
      // The answer is given as its text.
      const answer = Object.entries(options).find(([, text]) => text.trim() === value.answer.trim())?.[0];
      if (answer === undefined) {
        folder.reject(path, line, 'answer: outside the options');
        continue;
      }
      const digest = Buffer.from(hashText(`${value.question}${value.options}`), 'base64').toString('hex');
      const subject = value.labels.join('/');
      yield {
        part: 'mcq',
        id: `xiezhi-${digest.slice(0, 10)}`,
        question: value.question,
        options,
        answer,
        subject,
      };
    }
  },
};

const CEVAL_FILE = /(?:^|\/)(dev|val)\/(basic_medicine|clinical_medicine|physician)_(?:dev|val)\.csv$/u;

const ceval: Source = {
  id: 'ceval',
  repository: 'CAS-SIAT-XinHai/CPsyExam',
  commit: '2cb3af808516',
  files: /^evaluations\/llmeval\/ceval\/ceval\.zip$/u,
  where: 'evaluations/llmeval/ceval/ceval.zip (a copy of hkust-nlp/ceval)',
  license: 'CC-BY-NC-SA-4.0',
  nonCommercial: true,
  async *read(folder) {
    for (const zipPath of folder.paths) {
      for (const { path, text } of unzip(await folder.bytes(zipPath))) {
        const [, split, subject] = CEVAL_FILE.exec(path) ?? [];
        if (split !== undefined && subject !== undefined) {
          yield* cevalRows(text, split, subject, (line, reason) =>
            folder.reject(`${zipPath}!${path}`, line, reason),
          );
        }
      }
    }
  },
};

function* cevalRows(
  text: string,
  split: string,
  subject: string,
  onBadRecord: (line: number, reason: string) => void,
): Generator<Draft> {
  for (const { fields } of readCsvRecords(text, { onBadRecord })) {
    const options = optionsOfList(['A', 'B', 'C', 'D'].map((letter) => fields[letter] ?? ''));
    yield {
      part: 'mcq',
      id: `ceval-${split}-${subject}-${fields['id'] ?? ''}`,
      question: fields['question'] ?? '',
      options,
      answer: fields['answer'] ?? '',
      explanation: fields['explanation'] ?? '',
      subject,
    };
  }
}

export const QUESTION_SOURCES: readonly Source[] = [cmexamVal, medqaZh, cpsyexam, xiezhi, ceval];
