/** `sparsedoctor eval cmb|cmexam|cmmlu-med`: the three exams, with an engine in this process or a server. */
import { stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { Presets, SingleBar } from 'cli-progress';
import { Option, type Command } from 'commander';
import { describeProblems } from '../../base/data-problem.ts';
import { CallerError } from '../../base/errors.ts';
import { silentLogger } from '../../base/logger.ts';
import { chooseExamples, sampleQuestions } from '../../eval/choose-questions.ts';
import { compareRecords } from '../../eval/compare-records.ts';
import { examFigures } from '../../eval/exam-report.ts';
import { renderExam, type ExamResult } from '../../eval/exam-table.ts';
import { officialTemplate } from '../../eval/exam-templates.ts';
import { readExam, type Exam, type ExamName, type ExamQuestion } from '../../eval/questions/read-exam.ts';
import { scoreQuestions, type QuestionRecord } from '../../eval/score-questions.ts';
import { writeWhole } from '../../train/write-whole.ts';
import { readSettings } from '../config.ts';
import type { CliContext } from '../context.ts';
import { deviceOption } from '../device-option.ts';
import { openExamModels, type ExamModels } from '../exam-models.ts';
import { trainedTemplate } from '../trained-template.ts';
import { wholeNumber } from '../whole-number.ts';
import { withFormatOptions } from './serve.ts';

interface ExamFlags {
  readonly data: string;
  readonly model: string;
  readonly base?: string;
  readonly shards?: string;
  readonly shardVersion?: string;
  readonly url?: string;
  readonly key?: string;
  readonly tokenizer?: string;
  readonly prompt: 'official' | 'trained';
  readonly fewShot: number;
  readonly fewShotData?: string;
  readonly limit?: number;
  readonly seed: number;
  readonly answer: 'likelihood' | 'generation' | 'both';
  readonly skipBadRows?: boolean;
  readonly out?: string;
  readonly records?: string;
  readonly threads?: string;
  readonly device?: string;
  readonly weights?: string;
  readonly experts?: string;
  readonly cache?: string;
}

const EXAMS: Readonly<Record<ExamName, string>> = {
  cmb: 'CMB: a comprehensive medical benchmark in Chinese',
  cmexam: 'CMExam: the Chinese national medical licensing examination',
  'cmmlu-med': 'CMMLU: its medical subjects, seven and two more',
};

export function registerExamCommands(evaluate: Command, context: CliContext): void {
  for (const name of ['cmb', 'cmexam', 'cmmlu-med'] as const) {
    withFormatOptions(evaluate.command(name))
      .description(EXAMS[name])
      .requiredOption('--data <path>', 'file or folder of the set, as published or normalised')
      .option(
        '--model <names>',
        'base, sparsedoctor:<specialty>, right (shard of each question’s own label), wrong (a control); with --url also sparsedoctor (routed) or the server’s own names; several with commas: the others are compared with the first',
        'base',
      )
      .option('--base <directory>', 'Hugging Face checkpoint (default: the base that ships)')
      .option(
        '--shards <directory>',
        'folder of <specialty>/<version>.safetensors (default: those that ship)',
      )
      .option('--shard-version <version>', 'this version of every shard (default: the newest of each)')
      .option('--url <url>', 'ask an OpenAI-compatible server instead: its /v1/completions')
      .option('--key <key>', 'its key; better in SPARSEDOCTOR_API_KEY')
      .option('--tokenizer <directory>', 'the server’s tokenizer: prompts are sent as token ids')
      .addOption(
        new Option('--prompt <form>', 'the benchmark’s published prompt, or the form of this trainer')
          .choices(['official', 'trained'])
          .default('official'),
      )
      .option('--few-shot <n>', 'worked examples before each question', wholeNumber(0, 20), 0)
      .option('--few-shot-data <path>', 'where they are taken from (default: the dev part beside the data)')
      .option('--limit <n>', 'only a sample of this many questions', wholeNumber(1, 1_000_000))
      .option('--seed <n>', 'of the sample', wholeNumber(0, 0xffffffff), 1)
      .addOption(
        new Option('--answer <how>', 'how answers are taken')
          .choices(['likelihood', 'generation', 'both'])
          .default('likelihood'),
      )
      .option('--skip-bad-rows', 'go on without rows that cannot be used, and say how many')
      .option('--out <file>', 'result as JSON; a table of the same name ends in .md')
      .option('--records <file>', 'one JSON line for each model and question (ids and choices, no text)')
      .option('--threads <n>', 'compute threads (default: all cores)')
      .addOption(deviceOption())
      .action((flags: ExamFlags) => evaluateExam(name, flags, context));
  }
}

async function evaluateExam(name: ExamName, flags: ExamFlags, context: CliContext): Promise<void> {
  const exam = usable(await readExam(name, resolve(flags.data)), flags.skipBadRows === true);
  const questions = sampleQuestions(exam.questions, flags.limit, flags.seed);
  const pool = await readExamples(exam, flags);
  const { base: model, shards, threads, device, weights, experts, cache } = flags;
  const formats = { weights, experts, cache };
  const given = Object.entries({ model, shards, threads, device, ...formats, apiKey: flags.key });
  const settings = await readSettings(
    Object.fromEntries(given.filter(([, value]) => value !== undefined)),
    context.environment,
  );
  const models = await openExamModels(settings, flags, silentLogger);
  try {
    const result = await askAll({ exam, questions, pool, flags, models });
    const table = renderExam(result.result);
    if (flags.out !== undefined) {
      await writeWhole(flags.out, `${JSON.stringify(result.result, null, 2)}\n`);
      await writeWhole(flags.out.replace(/(?:\.json)?$/u, '.md'), table);
    }
    if (flags.records !== undefined) await writeWhole(flags.records, recordLines(result.records));
    context.print(table);
  } finally {
    await models.close();
  }
}

interface Asked {
  readonly result: ExamResult;
  readonly records: readonly { readonly model: string; readonly records: readonly QuestionRecord[] }[];
}

async function askAll(job: {
  readonly exam: Exam;
  readonly questions: readonly ExamQuestion[];
  readonly pool: readonly ExamQuestion[];
  readonly flags: ExamFlags;
  readonly models: ExamModels;
}): Promise<Asked> {
  const { exam, questions, pool, flags, models } = job;
  const template = flags.prompt === 'trained' ? trainedTemplate : officialTemplate(exam.name);
  const format = '{bar} {value}/{total} {what} | {eta_formatted} left';
  const bar = new SingleBar({ format, noTTYOutput: true, notTTYSchedule: 30_000 }, Presets.rect);
  const asked: { model: string; description: string; seconds: number; records: QuestionRecord[] }[] = [];
  for (const { name, answerer } of models.list) {
    const start = performance.now();
    const records = await scoreQuestions(questions, answerer, {
      template,
      answer: flags.answer,
      examples: (question) => chooseExamples(question, pool, flags.fewShot),
      onPhase: (what, total) => {
        bar.stop();
        bar.start(total, 0, { what: `${name}, ${what}` });
      },
      onProgress: (done) => bar.update(done),
    }).finally(() => bar.stop());
    const seconds = Math.round((performance.now() - start) / 100) / 10;
    asked.push({ model: name, description: answerer.description, seconds, records });
  }
  const first = asked[0]!;
  return {
    records: asked,
    result: {
      exam: exam.name,
      data: {
        description: exam.description,
        files: exam.files.map(({ path, sha256 }) => ({ name: basename(path), sha256 })),
        questions: questions.length,
        leftOut: exam.problems.count,
        sample:
          questions.length < exam.questions.length ? { limit: questions.length, seed: flags.seed } : null,
      },
      template: template.name,
      fewShot: flags.fewShot,
      ...(models.baseFingerprint === null ? {} : { baseFingerprint: models.baseFingerprint }),
      models: asked.map(({ model, description, seconds, records }) => {
        return { name: model, description, seconds, figures: examFigures(records) };
      }),
      differences: asked.slice(1).map(({ model, records }) => {
        return { name: model, to: first.model, values: compareRecords(records, first.records) };
      }),
    },
  };
}

/** Says what is wrong with the data, and goes on only where that was allowed. */
function usable(exam: Exam, skipBadRows: boolean): Exam {
  if (exam.problems.count === 0 || (skipBadRows && exam.questions.length > 0)) return exam;
  const advice = 'Repair them, or go on without them by --skip-bad-rows.';
  throw new CallerError(
    'bad_data',
    `Rows that cannot be used:\n${describeProblems(exam.problems)}\n${advice}`,
  );
}

/** From the dev part beside the data; never from the file that is asked. */
async function readExamples(exam: Exam, flags: ExamFlags): Promise<readonly ExamQuestion[]> {
  if (flags.fewShot === 0) return [];
  const given = resolve(flags.fewShotData ?? flags.data);
  const isFile = flags.fewShotData === undefined && (await stat(given)).isFile();
  const examples = await readExam(exam.name, isFile ? dirname(given) : given, 'dev').catch(
    (cause: unknown) => {
      throw cause instanceof CallerError ? noExamples(cause.message) : cause;
    },
  );
  const { questions, files } = usable(examples, flags.skipBadRows === true);
  const asked = new Set(exam.files.map(({ sha256 }) => sha256));
  if (files.some(({ sha256 }) => asked.has(sha256)))
    throw noExamples('They would be the questions themselves.');
  return questions;
}

function noExamples(why: string): CallerError {
  const next = 'Name a file of them by --few-shot-data, or leave out --few-shot.';
  return new CallerError('no_examples', `There are no worked examples: ${why} ${next}`);
}

function recordLines(all: Asked['records']): string {
  const lines = all.flatMap(({ model, records }) =>
    records.map((record) => JSON.stringify({ model, ...record })),
  );
  return `${lines.join('\n')}\n`;
}
