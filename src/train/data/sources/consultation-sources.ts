/** Sources of single questions and answers, and of queries. */
import { basename } from 'node:path';
import * as z from 'zod';
import { readCsvRecords } from '../../../base/csv-records.ts';
import { askAndAnswer, instructionSchema, labelOf, padded } from './chat-drafts.ts';
import { jsonRows, textRows } from './json-source.ts';
import type { Source } from './source.ts';
import { unzip } from './unzip.ts';

const toyhom: Source = {
  id: 'toyhom-internal-medicine',
  repository: 'Toyhom/Chinese-medical-dialogue-data',
  commit: '26724a4357fc',
  files: /(?:^|\/)(?:样例_)?内科\d+-\d+\.csv$/u,
  where: '样例_内科5000-6000.csv (GB18030), or the whole of Data_数据/IM_内科',
  license: 'MIT',
  personal: true,
  async *read(folder) {
    for (const path of folder.paths) {
      const { text } = await folder.text(path);
      const onBadRecord = (line: number, reason: string): void => folder.reject(path, line, reason);
      const prefix = path.includes('样例') ? 's' : '';
      for (const [index, { fields }] of readCsvRecords(text, { onBadRecord }).entries()) {
        const { department = '', title = '', ask = '', answer = '' } = fields;
        // "None" stands for a description that is the title once more.
        const question = ask === 'None' || ask.trim() === title.trim() ? title : `${title}\n${ask}`;
        yield {
          part: 'sft',
          id: `toyhom-${prefix}${padded(index, 5)}`,
          messages: askAndAnswer(question, answer),
          department,
          ...labelOf(department),
        };
      }
    }
  },
};

const huatuo26m: Source = {
  id: 'huatuo26m-test',
  repository: 'SupritYoung/Zhongjing',
  commit: 'a105934245c2',
  files: /^data\/huatuo26M_test\.json$/u,
  where: 'data/huatuo26M_test.json',
  license: 'Apache-2.0',
  personal: true,
  async *read(folder) {
    for await (const { index, value } of jsonRows(folder, instructionSchema)) {
      const messages = askAndAnswer(value.instruction, value.output);
      yield { part: 'sft', id: `huatuo26m-${padded(index)}`, messages };
    }
  },
};

const huatuoLlama: Source = {
  id: 'huatuo-llama-kg',
  repository: 'SCIR-HI/Huatuo-Llama-Med-Chinese',
  commit: 'ba9b3d65b33b',
  files: /^data\/llama_data\.json$/u,
  where: 'data/llama_data.json',
  license: 'Apache-2.0',
  synthetic: 'LLM-written from a medical knowledge graph',
  async *read(folder) {
    for await (const { index, value } of jsonRows(folder, instructionSchema)) {
      const question = [value.instruction, value.input].filter((text) => text.trim() !== '').join('\n');
      yield {
        part: 'sft',
        id: `huatuollama-${padded(index)}`,
        messages: askAndAnswer(question, value.output),
      };
    }
  },
};

const cpsyexamQaSchema = z.object({
  subject_name: z.string().default(''),
  question: z.string(),
  answer: z.string(),
});

const cpsyexamQa: Source = {
  id: 'cpsyexam-qa',
  repository: 'CAS-SIAT-XinHai/CPsyExam',
  commit: '2cb3af808516',
  files: /^evaluations\/llmeval\/cpsyexam\/cpsyexam_qa\.zip$/u,
  where: 'evaluations/llmeval/cpsyexam/cpsyexam_qa.zip',
  license: 'CC0-1.0',
  async *read(folder) {
    let index = 0;
    for (const zipPath of folder.paths) {
      for (const { path, text } of unzip(await folder.bytes(zipPath))) {
        for (const { value } of textRows(text, `${zipPath}!${path}`, cpsyexamQaSchema, folder)) {
          yield {
            part: 'sft',
            id: `cpsyqa-${padded(index++)}`,
            messages: askAndAnswer(value.question, value.answer),
            department: value.subject_name,
            specialty: 'psychiatry',
          };
        }
      }
    }
  },
};

const cmedqa2: Source = {
  id: 'cmedqa2-test',
  repository: 'Fzkuji/LLaMA-Factory',
  commit: '68cd5aebd8f8',
  files: /^data\/cMedQA2\/test\.json$/u,
  where: 'data/cMedQA2/test.json (a copy; the origin is zhangsheng93/cMedQA2)',
  license: 'non-commercial research (cMedQA2 README)',
  nonCommercial: true,
  personal: true,
  async *read(folder) {
    // The instruction of this copy is one sentence for all rows; the input is the question.
    for await (const { index, value } of jsonRows(folder, instructionSchema)) {
      const messages = askAndAnswer(value.input, value.output);
      yield { part: 'sft', id: `cmedqa2-${padded(index)}`, messages };
    }
  },
};

const cmedqa1: Source = {
  id: 'cmedqa1',
  repository: 'alibaba-research/ChineseBLUE',
  commit: '52eefc9d5cb1',
  files: /^data\/cMedQA\/(?:dev|test)\.txt$/u,
  where: 'data/cMedQA/{dev,test}.txt (a copy; the origin is zhangsheng93/cMedQA)',
  license: 'non-commercial research (cMedQA README)',
  nonCommercial: true,
  personal: true,
  async *read(folder) {
    for (const path of folder.paths) {
      const split = basename(path, '.txt');
      for (const [index, line] of (await folder.text(path)).text.split('\n').entries()) {
        const [label, question, answer] = line.split('\t');
        // Only right pairs of question and answer; the others are there to be told apart.
        if (label !== '1' || question === undefined || answer === undefined) continue;
        yield {
          part: 'sft',
          id: `cmedqa1-${split}-${padded(index)}`,
          messages: askAndAnswer(question, answer),
        };
      }
    }
  },
};

const cmedqq: Source = {
  id: 'cmedqq',
  repository: 'alibaba-research/ChineseBLUE',
  commit: '52eefc9d5cb1',
  files: /^data\/cMedQQ\/(?:train|dev|test)\.txt$/u,
  where: 'data/cMedQQ/{train,dev,test}.txt',
  license: 'Apache-2.0',
  async *read(folder) {
    const seen = new Set<string>();
    for (const path of folder.paths) {
      for (const line of (await folder.text(path)).text.split('\n')) {
        const [label = '', ...queries] = line.trim().split('\t');
        if (!/^[01]$/u.test(label)) continue;
        for (const text of queries) {
          if (seen.has(text)) continue;
          seen.add(text);
          yield { part: 'router', id: `cmedqq-${padded(seen.size, 5)}`, text };
        }
      }
    }
  },
};

export const CONSULTATION_SOURCES: readonly Source[] = [
  toyhom,
  huatuo26m,
  huatuoLlama,
  cpsyexamQa,
  cmedqa2,
  cmedqa1,
  cmedqq,
];
