/** The data commands as processes: what they print, write and end with. */
import { execFile } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';

const directory = mkdtempSync(join(tmpdir(), 'data-command-'));
const at = (...names: string[]): string => join(directory, ...names);
afterAll(() => rmSync(directory, { recursive: true }));

interface Ended {
  readonly code: number;
  readonly printed: string;
  readonly told: string;
}

function sparsedoctor(...args: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, ['src/cli/main.ts', ...args], (_, printed, told) =>
      resolve({ code: child.exitCode ?? -1, printed, told }),
    );
  });
}

function write(name: string, content: string): void {
  mkdirSync(dirname(at(name)), { recursive: true });
  writeFileSync(at(name), content);
}

const STEM = '一名患者出现双下肢水肿和大量蛋白尿首先应当考虑的诊断是';
const option = { A: '甲', B: '乙', C: '丙', D: '丁', E: '' };
write(
  'eval/CMB-test-choice-question-merge.json',
  JSON.stringify([{ id: 1, exam_class: '执业医师', question: STEM, question_type: '单项选择题', option }]),
);
write('eval/CMB-test-choice-answer.json', '[{"id":1,"answer":"A"}]');
const question = (number: number, text: string): string =>
  JSON.stringify({ problem_id: number, problem_text: text, choices: ['甲', '乙'], answer: ['a'] });
write(
  'sources/aistairc/medLLM_QA_benchmark/data/zh/MedQA/medqa_zh.jsonl',
  [question(1, '胃溃疡的常见症状是什么'), question(2, `${STEM}（ ）`)].join('\n'),
);

describe('sparsedoctor data', () => {
  test('build makes data of what is there, and says where to get the rest', async () => {
    const folders = ['--sources', at('sources'), '--out', at('out'), '--eval', at('eval')];
    const { code, printed } = await sparsedoctor('data', 'build', ...folders);
    expect(code).toBe(0);
    expect(printed).toContain('| medqa-zh-test | 1 | 0 | 0 | 1 |');
    expect(printed).toContain('- cmexam-val: https://github.com/kyre-99/CMExam-Dataset');
    expect(JSON.parse(readFileSync(at('out/manifest.json'), 'utf8'))).toMatchObject({
      files: { 'mcq/train.jsonl.gz': { rows: 1 } },
      dedupe: { rowsMatched: 1 },
    });
    expect(printed).not.toContain(STEM);
  });

  test('check passes clean data and fails data that gives away a question', async () => {
    const clean = ['data', 'check', '--data', at('out'), '--eval', at('eval'), '--out', at('report')];
    expect(await sparsedoctor(...clean)).toMatchObject({ code: 0, told: '' });

    const row = {
      source: 's',
      license: 'CC0-1.0',
      specialty: null,
      options: { A: '甲', B: '乙' },
      answer: 'A',
    };
    const rows = [
      { ...row, id: 'planted', question: `${STEM}？`, qtype: 'single' },
      { ...row, id: 'kept', question: '无关的问题', qtype: 'single' },
      { ...row, id: 'broken', question: '无关的问题' },
    ];
    write('dirty/mcq/train.jsonl', rows.map((each) => JSON.stringify(each)).join('\n'));
    const folders = ['--data', at('dirty'), '--eval', at('eval'), '--out', at('report')];
    const { code, printed, told } = await sparsedoctor('data', 'check', ...folders);
    expect(code).toBe(1);
    expect(told).toContain('1 bad rows, and 1 rows that give away evaluation questions');
    expect(printed).toContain('| planted | mcq/train.jsonl | cmb cmb-test-1 | same question |');
    expect(printed).toContain(`${at('dirty/mcq/train.jsonl')}:3 (broken): qtype: `);
    expect(printed).toContain('CMB-Exam test: 1 of 11200 questions');
    expect(readFileSync(at('report/data-check.md'), 'utf8')).toBe(printed.trimEnd() + '\n');
    expect(JSON.parse(readFileSync(at('report/data-check.json'), 'utf8'))).toMatchObject({
      problems: { count: 1 },
      dedupe: { rowsMatched: 1, matches: [{ row: 'planted', id: 'cmb-test-1' }] },
    });
  });

  test('a folder without sources, and one without evaluation sets, are told', async () => {
    const none = await sparsedoctor('data', 'build', '--sources', at('eval'), '--out', at('none'));
    expect(none).toMatchObject({ code: 1 });
    expect(none.told).toContain('has none of the sources');
    const noEval = await sparsedoctor('data', 'check', '--data', at('out'), '--eval', at('sources'));
    expect(noEval.told).toContain('has none of the evaluation sets');
  });
});

function textRow(id: string): object {
  return { id, source: 's', license: 'CC0-1.0', specialty: null, text: `肺炎 ${id} 发热` };
}

describe('training on bad rows', () => {
  const optimiser = {
    peakLearningRate: 2e-3,
    floor: 0.1,
    warmupSteps: 1,
    steps: 2,
    beta1: 0.9,
    beta2: 0.95,
    epsilon: 1e-8,
    weightDecay: 0.1,
    maxGradientNorm: 1,
  };
  const model = {
    hiddenSize: 16,
    layers: 1,
    heads: 2,
    keyValueHeads: 1,
    headSize: 8,
    intermediateSize: 24,
    rmsNormEpsilon: 1e-6,
    ropeTheta: 10_000,
    maxPositions: 64,
  };
  const config = { kind: 'base', seed: 3, rowLength: 32, rows: 2, optimiser, parts: ['pretrain'], model };
  write('run.json', JSON.stringify({ ...config, saveEvery: 2, validateEvery: 2 }));
  const rows = [...Array.from({ length: 30 }, (_, number) => textRow(`p${number}`)), textRow('p7')];
  for (const split of ['train', 'valid']) {
    write(`data/pretrain/${split}.jsonl`, rows.map((row) => JSON.stringify(row)).join('\n'));
  }
  mkdirSync(at('base'));
  for (const file of ['tokenizer.json', 'tokenizer_config.json']) {
    copyFileSync(join('weights', 'base', file), at('base', file));
  }
  const train = [
    'train',
    'base',
    at('run.json'),
    '--data',
    at('data'),
    '--folder',
    at('run'),
    '--out',
    at('base'),
  ];

  test('does not start, and goes on without them when asked to', async () => {
    const refused = await sparsedoctor(...train, '--threads', '1');
    expect(refused.code).toBe(1);
    expect(refused.told).toContain(`${at('data/pretrain/train.jsonl')}:31 (p7): id: duplicate`);
    expect(refused.told).toContain('--skip-bad-rows');
    expect(existsSync(at('base/model.safetensors'))).toBe(false);

    const trained = await sparsedoctor(...train, '--threads', '1', '--skip-bad-rows');
    expect(trained.code).toBe(0);
    expect(trained.told).toContain('2 × id: duplicate');
    expect(existsSync(at('base/model.safetensors'))).toBe(true);
  }, 60_000);
});
