/** Sources of dialogues of several turns. */
import { basename } from 'node:path';
import * as z from 'zod';
import { askAndAnswer, instructionSchema, labelOf, padded, splitTurns } from './chat-drafts.ts';
import { jsonRows, textRows } from './json-source.ts';
import type { ChatDraft, Source } from './source.ts';

const cmtmedqaSchema = z.object({
  // The last rows, a test of safety, have neither history nor department, and name the question otherwise.
  id: z.string().optional(),
  cate1: z.string().default(''),
  cate2: z.string().default(''),
  instruction: z.string().optional(),
  instruct: z.string().optional(),
  output: z.string(),
  history: z.array(z.tuple([z.string(), z.string()])).default([]),
});

const cmtmedqa: Source = {
  id: 'cmtmedqa-test',
  repository: 'SupritYoung/Zhongjing',
  commit: 'a105934245c2',
  files: /^data\/CMtMedQA_test\.json$/u,
  where: 'data/CMtMedQA_test.json',
  license: 'Apache-2.0',
  synthetic: 'dialogue rewritten by an LLM from real consultations',
  personal: true,
  async *read(folder) {
    for await (const { index, value } of jsonRows(folder, cmtmedqaSchema)) {
      const { cate1, cate2, history, output } = value;
      const last = value.instruction ?? value.instruct ?? '';
      const messages = [...history, [last, output] as const].flatMap(([ask, answer]) =>
        askAndAnswer(ask, answer),
      );
      const department = [cate1, cate2].filter((name) => name !== '').join('/');
      yield {
        part: 'sft',
        id: `cmtmedqa-${value.id ?? `safety-${padded(index)}`}`,
        messages,
        ...(department === '' ? {} : { department }),
        ...labelOf(cate2, cate1),
      };
    }
  },
};

const liverCancer: Source = {
  id: 'huatuo-liver-cancer',
  repository: 'SCIR-HI/Huatuo-Llama-Med-Chinese',
  commit: 'ba9b3d65b33b',
  files: /^data-literature\/liver_cancer\.json$/u,
  where: 'data-literature/liver_cancer.json',
  license: 'Apache-2.0',
  synthetic: 'LLM-written from liver-cancer literature',
  async *read(folder) {
    for await (const { index, value } of jsonRows(folder, instructionSchema)) {
      const turns = splitTurns(value.instruction, /<(user|bot)>\s*[:：]/gu, (name) => name === 'user');
      const messages = [...turns, { role: 'assistant' as const, content: value.output }];
      yield { part: 'sft', id: `livercancer-${padded(index)}`, messages, specialty: 'oncology' };
    }
  },
};

const shareGptSchema = z.object({
  conversations: z.array(z.object({ from: z.string(), value: z.string() })),
});

const medicalGpt: Source = {
  id: 'medicalgpt-sft-1k',
  repository: 'shibing624/MedicalGPT',
  commit: '2f1008cfa49c',
  files: /^data\/(?:sft\/)?medical_sft_1K_format\.jsonl$/u,
  where: 'data/sft/medical_sft_1K_format.jsonl',
  license: 'Apache-2.0',
  personal: true,
  async *read(folder) {
    for await (const { index, value } of jsonRows(folder, shareGptSchema)) {
      const messages = value.conversations
        .filter(({ from }) => from === 'human' || from === 'gpt')
        .map(({ from, value: content }) => ({
          role: from === 'human' ? ('user' as const) : ('assistant' as const),
          content,
        }));
      yield { part: 'sft', id: `medicalgpt1k-${padded(index)}`, messages };
    }
  },
};

const smileSchema = z.object({ role: z.enum(['client', 'counselor']), content: z.string() });

const smile: Source = {
  id: 'smile',
  repository: 'qiuhuachuan/smile',
  commit: '9f8afc0b1260',
  files: /^data\/\d+\.json$/u,
  where: 'data/*.json',
  license: 'CC0-1.0',
  synthetic: 'LLM expansion of real peer-support Q&A',
  share: 0.04,
  async *read(folder) {
    for (const path of folder.paths) {
      const turns = [...textRows((await folder.text(path)).text, path, smileSchema, folder)];
      const messages = turns.map(({ value: { role, content } }) => ({
        role: role === 'client' ? ('user' as const) : ('assistant' as const),
        content,
      }));
      yield { part: 'sft', id: `smile-${basename(path, '.json')}`, messages, specialty: 'psychiatry' };
    }
  },
};

const cpsycoun: Source = {
  id: 'cpsycoun',
  repository: 'CAS-SIAT-XinHai/CPsyCoun',
  commit: '1954f2e2d01d',
  files: /^CPsyCounD\/Data\/case_\d+\.txt$/u,
  where: 'CPsyCounD/Data/*.txt',
  license: 'CC-BY-4.0',
  synthetic: 'LLM reconstruction of counselling reports',
  share: 0.16,
  async *read(folder) {
    for (const path of folder.paths) {
      const { text } = await folder.text(path);
      const messages = splitTurns(text, /^(来访者|心理咨询师)[:：]/gmu, (name) => name === '来访者');
      const id = `cpsycoun-${basename(path, '.txt').replace('case_', '')}`;
      yield { part: 'sft', id, messages, specialty: 'psychiatry' };
    }
  },
};

const remedi: Source = {
  id: 'remedi-dev',
  repository: 'yanguojun123/Medical-Dialogue',
  commit: 'f94bb9abfba4',
  files: /^data\/dev_human_annotation\.txt$/u,
  where: 'data/dev_human_annotation.txt',
  license: 'MIT',
  personal: true,
  async *read(folder) {
    for (const path of folder.paths) {
      const { text } = await folder.text(path);
      // A line a turn, each with all that went before; an empty line ends a dialogue, so its last line has all of it.
      const dialogues = text.split(/\n\s*\n/u).filter((block) => block.trim() !== '');
      for (const [index, block] of dialogues.entries()) {
        const last = block.trim().split('\n').at(-1) ?? '';
        yield { part: 'sft', id: `remedi-${padded(index, 3)}`, messages: remediTurns(last) };
      }
    }
  },
};

function remediTurns(line: string): ChatDraft['messages'] {
  const inside = (name: string): string =>
    new RegExp(`<\\|${name}\\|>(.*?)<\\|endof${name}\\|>`, 'u').exec(line)?.[1] ?? '';
  const before = splitTurns(inside('context'), /<\|(user|system)\|>/gu, (name) => name === 'user');
  return [...before, ...askAndAnswer(inside('currentuser'), inside('response'))];
}

export const DIALOGUE_SOURCES: readonly Source[] = [
  cmtmedqa,
  liverCancer,
  medicalGpt,
  smile,
  cpsycoun,
  remedi,
];
