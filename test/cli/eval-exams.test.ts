/** The exams through the command line, and the two ways of asking a model: an engine in this process, or a real host. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { silentLogger } from '../../src/base/logger.ts';
import { createHost, type Host } from '../../src/backend/host.ts';
import { registerEvalCommand } from '../../src/cli/commands/eval.ts';
import { parseSettings, type Settings } from '../../src/cli/config.ts';
import { openExamModels } from '../../src/cli/exam-models.ts';
import { openModel, type OpenModel } from '../../src/cli/open-model.ts';
import { listShardFiles, newestOfEach } from '../../src/cli/shard-files.ts';
import { trainedTemplate } from '../../src/cli/trained-template.ts';
import type { ScoreRequest } from '../../src/eval/answerer.ts';
import type { ExamResult } from '../../src/eval/exam-table.ts';
import { officialTemplate, type ExamTemplate } from '../../src/eval/exam-templates.ts';
import { readExam, type ExamQuestion } from '../../src/eval/questions/read-exam.ts';
import { scoreQuestions } from '../../src/eval/score-questions.ts';
import { writeTestWeights } from '../support/weights.ts';

const stems = [
  '心房颤动首选的检查是',
  '小儿肺炎最常见的病原体是',
  '慢性胃炎😀的主要病因是',
  '下列哪些属于急腹症',
];
const rows = stems.map((question, n) => ({
  id: `cmexam-test-${n}`,
  source: 'cmexam-test',
  question,
  options: { A: '心电图', B: '幽门螺杆菌感染', C: '肺炎链球菌', D: '腹膜炎' },
  answer: ['A', 'C', 'B', 'BD'][n],
  qtype: n === 3 ? 'multi' : 'single',
  specialty: ['cardiovascular', 'pediatrics', 'digestive', null][n],
}));

let folder: string;
let data: string;
let settings: Settings;
let served: OpenModel;
let host: Host;
let url: string;
let questions: readonly ExamQuestion[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sparsedoctor-eval-'));
  const { model, shards } = await writeTestWeights(folder);
  data = join(folder, 'cmexam.jsonl');
  await writeFile(data, rows.map((row) => JSON.stringify(row)).join('\n'));
  questions = (await readExam('cmexam', data)).questions;
  const flags = { model, shards, threads: '1', cachePages: '64', expertSlots: '16' };
  settings = parseSettings({ flags, environment: {} });
  served = await openModel(settings, newestOfEach(await listShardFiles(shards)), silentLogger);
  host = createHost(served);
  ({ url } = await host.listen(0));
}, 60_000);
afterAll(async () => {
  await host.close();
  await served.close();
  await rm(folder, { recursive: true, force: true });
});

async function run(...args: string[]): Promise<string> {
  const lines: string[] = [];
  const program = new Command().exitOverride().configureOutput({ writeErr: () => {} });
  registerEvalCommand(program, { environment: {}, print: (line) => lines.push(line) });
  const here = ['--base', settings.model, '--shards', settings.shards, '--threads', '1'];
  await program.parseAsync(['eval', ...args, ...here], { from: 'user' });
  return lines.join('\n');
}

function requestsOf(template: ExamTemplate): ScoreRequest[] {
  return questions.flatMap((question) => [
    {
      id: question.id,
      specialty: question.specialty,
      prompt: template.letters(question, questions.slice(0, 1)),
      continuations: Object.keys(question.options).map((letter) => template.lead + letter),
    },
    {
      id: question.id,
      specialty: question.specialty,
      prompt: template.text(question),
      continuations: Object.values(question.options).map((text) => template.lead + text),
    },
  ]);
}

describe('the engine in this process and a server', () => {
  test.each<[string, ExamTemplate, boolean, string]>([
    ['texts', officialTemplate('cmexam'), false, 'base,right,sparsedoctor:digestive'],
    ['token ids', officialTemplate('cmb'), true, 'right'],
    ['chats', trainedTemplate, true, 'right'],
  ])(
    'give every continuation the same log-likelihood: %s',
    async (_title, template, sendsIds, model) => {
      const flags = { model };
      const here = await openExamModels(settings, flags, silentLogger);
      const tokenizer = sendsIds ? { tokenizer: settings.model } : {};
      const there = await openExamModels(settings, { ...flags, ...tokenizer, url }, silentLogger);
      const seen = new Set<number>();
      for (const [at, { answerer }] of here.list.entries()) {
        const own = await answerer.scoreContinuations(requestsOf(template));
        const theirs = await there.list[at]!.answerer.scoreContinuations(requestsOf(template));
        for (const [request, scores] of own.entries()) {
          for (const [one, { logLikelihood, tokens }] of scores.entries()) {
            expect(theirs[request]?.[one]?.tokens).toBe(tokens);
            expect(theirs[request]?.[one]?.logLikelihood).toBeCloseTo(logLikelihood, 6);
          }
        }
        seen.add(own[0]![0]!.logLikelihood);
      }
      expect(seen.size).toBe(model.split(',').length);
      await here.close();
    },
    60_000,
  );

  test('choose the same answers, by likelihood and by generation', async () => {
    const here = await openExamModels(settings, { model: 'right' }, silentLogger);
    const there = await openExamModels(settings, { model: 'right', url: `${url}/v1` }, silentLogger);
    const options = { template: officialTemplate('cmexam'), answer: 'both' } as const;
    const own = await scoreQuestions(questions, here.list[0]!.answerer, options);
    const theirs = await scoreQuestions(questions, there.list[0]!.answerer, options);
    await here.close();
    const choices = (records: typeof own) =>
      records.map(({ letters, text, generated }) => [letters?.chosen, text?.chosen, generated?.chosen]);
    expect(choices(theirs)).toEqual(choices(own));
  }, 60_000);

  test('a chat is not sent as text, since its markup would be text too', async () => {
    const there = await openExamModels(settings, { model: 'base', url }, silentLogger);
    const asked = there.list[0]!.answerer.scoreContinuations(requestsOf(trainedTemplate));
    await expect(asked).rejects.toMatchObject({ code: 'no_tokenizer' });
  });

  test('what a server refuses is told with the question, never with its text', async () => {
    const there = await openExamModels(settings, { model: 'no-such-model', url }, silentLogger);
    const asked = there.list[0]!.answerer.scoreContinuations(requestsOf(officialTemplate('cmexam')));
    await expect(asked).rejects.toMatchObject({
      code: 'model_not_found',
      message: expect.stringMatching(/^Question cmexam-test-\d: (?!.*心房)/u),
    });
  });
});

describe('eval cmexam', () => {
  test('writes result, table and records, and names the part of the set', async () => {
    const out = join(folder, 'result.json');
    const records = join(folder, 'records.jsonl');
    const table = await run(
      'cmexam',
      '--data',
      data,
      '--model',
      'base,right',
      '--answer',
      'both',
      '--out',
      out,
      '--records',
      records,
    );
    const result: ExamResult = JSON.parse(await readFile(out, 'utf8'));
    expect(result).toMatchObject({
      exam: 'cmexam',
      data: { questions: 4, sample: null, leftOut: 0, files: [{ name: 'cmexam.jsonl' }] },
      models: [
        { name: 'base', figures: { overall: { questions: 4, multiple: 1, generated: { rows: 4 } } } },
        { name: 'right' },
      ],
      differences: [{ name: 'right', to: 'base', values: { questions: 4 } }],
    });
    expect(result.data.description).toContain('CMExam test');
    expect(result.models[1]?.description).toContain('no router');
    expect(table).toContain(result.data.description);
    expect(await readFile(join(folder, 'result.md'), 'utf8')).toBe(table);
    const lines = (await readFile(records, 'utf8')).trim().split('\n');
    expect(lines).toHaveLength(8);
    expect(lines.join('')).not.toContain('心房');
  }, 60_000);

  test('takes worked examples from a file, and a sample', async () => {
    const examples = join(folder, 'worked-examples.jsonl');
    await writeFile(
      examples,
      rows
        .slice(0, 2)
        .map((row) => JSON.stringify({ ...row, id: `dev-${row.id}` }))
        .join('\n'),
    );
    const args = ['--few-shot', '1', '--few-shot-data', examples, '--limit', '2', '--seed', '3'];
    const table = await run('cmexam', '--data', data, ...args);
    expect(table).toContain('a sample of 2 of these, seed 3');
    expect(table).toContain('1 worked examples');
  }, 60_000);

  test.each<[string, string[], string]>([
    ['the routed model without an edge', ['--model', 'sparsedoctor'], 'no_router'],
    ['a shard that is not there', ['--model', 'sparsedoctor:tcm'], 'unknown_model'],
    ['worked examples that are not there', ['--few-shot', '2'], 'no_examples'],
    ['a server that is not there', ['--url', 'http://127.0.0.1:9/v1'], 'server_unreachable'],
  ])('refuses %s', async (_title, args, code) => {
    await expect(run('cmexam', '--data', data, ...args)).rejects.toMatchObject({ code });
  });

  test('refuses bad rows by line and reason, and goes on without them where that is said', async () => {
    const bad = join(folder, 'bad.jsonl');
    const broken = { ...rows[0], id: 'broken', answer: 'E' };
    await writeFile(bad, [...rows, broken].map((row) => JSON.stringify(row)).join('\n'));
    await expect(run('cmexam', '--data', bad)).rejects.toMatchObject({
      code: 'bad_data',
      message: expect.stringContaining('bad.jsonl:5 (broken): answer: outside the options'),
    });
    expect(await run('cmexam', '--data', bad, '--skip-bad-rows')).toContain('| all | 4 |');
  }, 60_000);
});
