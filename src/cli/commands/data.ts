/** `sparsedoctor data …`: from public files to training data, and checks of the data at hand. */
import { mkdir, readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { describeProblems } from '../../base/data-problem.ts';
import { CallerError } from '../../base/errors.ts';
import { readExam, type ExamName } from '../../eval/questions/read-exam.ts';
import { buildData, type BuildResult } from '../../train/data/build-data.ts';
import { checkData, type DataCheck } from '../../train/data/check-data.ts';
import { copyClean } from '../../train/data/clean-copy.ts';
import type { EvaluationQuestion } from '../../train/data/dedupe/contamination.ts';
import { renderDedupe } from '../../train/data/dedupe/report.ts';
import { measureLabels } from '../../train/data/measure-labels.ts';
import { SOURCES } from '../../train/data/sources/registry.ts';
import type { Source } from '../../train/data/sources/source.ts';
import { SPECIALTY_NAMES } from '../../train/data/weak-label.ts';
import { writeWhole } from '../../train/write-whole.ts';
import type { CliContext } from '../context.ts';

interface BuildOptions {
  readonly sources: string;
  readonly out: string;
  readonly eval?: string;
  readonly only?: string;
}

interface CheckOptions {
  readonly data: string;
  readonly eval: string;
  readonly out: string;
  readonly clean?: string;
}

const EXAMS: readonly ExamName[] = ['cmb', 'cmexam', 'cmmlu-med'];

export function registerDataCommand(program: Command, context: CliContext): void {
  const data = program.command('data').description('make training data of public files, and check it');
  data
    .command('build')
    .description('turn public files, as their sources publish them, into training data')
    .requiredOption('--sources <folder>', 'folder with the repositories: <owner>/<name>/… or <name>/…')
    .requiredOption('--out <folder>', 'where pretrain/, sft/, mcq/, router/ and manifest.json go')
    .option('--eval <folder>', 'evaluation sets; rows that give away their questions are left out')
    .option('--only <ids>', 'sources, with commas between them; all when missing')
    .action((options: BuildOptions) => build(context, options));
  data
    .command('check')
    .description('check the rows of a data directory, and whether they give away evaluation questions')
    .requiredOption('--data <folder>', 'folder with pretrain/, sft/, mcq/ or router/')
    .requiredOption('--eval <folder>', 'folder with the evaluation sets')
    .option('--out <folder>', 'where data-check.md and data-check.json go', 'runs/data-check')
    .option('--clean <folder>', 'where a copy without those rows goes')
    .action((options: CheckOptions) => check(context, options));
  data
    .command('labels')
    .description('measure the weak labels against those that the sources give')
    .requiredOption('--data <folder>', 'folder with sft/ and mcq/')
    .action((options: Pick<CheckOptions, 'data'>) => labels(context, options));
  data
    .command('sources')
    .description('list the sources: where their files are, and under which licence')
    .action(() => {
      for (const source of SOURCES) context.print(describeSource(source));
    });
}

async function build(context: CliContext, options: BuildOptions): Promise<void> {
  const result = await buildData({
    sourcesFolder: resolve(options.sources),
    outFolder: resolve(options.out),
    sources: chooseSources(options.only),
    evaluation: options.eval === undefined ? [] : (await readEvaluation(options.eval)).questions,
    specialties: SPECIALTY_NAMES,
    onSource: (id, rows) => context.print(`${id}: ${rows} rows`),
  });
  const markdown = renderBuild(result);
  await writeWhole(join(options.out, 'build.md'), markdown);
  context.print(markdown);
  if (Object.keys(result.manifest.sources).length === 0) {
    throw new CallerError(
      'no_sources',
      `${options.sources} has none of the sources: put the repositories there, as the list above says.`,
      { param: options.sources },
    );
  }
}

function chooseSources(only: string | undefined): readonly Source[] {
  if (only === undefined) return SOURCES;
  const ids = new Set(only.split(','));
  const unknown = [...ids].filter((id) => !SOURCES.some((source) => source.id === id));
  if (unknown.length > 0) {
    const known = SOURCES.map(({ id }) => id).join(', ');
    throw new CallerError('unknown_source', `There is no source ${unknown.join(', ')}; there are ${known}.`);
  }
  return SOURCES.filter(({ id }) => ids.has(id));
}

function renderBuild({ manifest, missing, problems }: BuildResult): string {
  const lines = ['# Training data', '', '| file | rows | bytes |', '| --- | ---: | ---: |'];
  for (const [file, { rows, bytes }] of Object.entries(manifest.files)) {
    lines.push(`| ${file} | ${rows} | ${bytes} |`);
  }
  lines.push(
    '',
    '| source | rows | malformed | duplicates | evaluation questions | personal data replaced |',
  );
  lines.push('| --- | ---: | ---: | ---: | ---: | --- |');
  for (const [id, source] of Object.entries(manifest.sources)) {
    const personal = Object.entries(source.personal).map(([kind, count]) => `${kind} ${count}`);
    const { rows, malformed, duplicates, contaminated } = source;
    const cells = [id, rows, malformed, duplicates, contaminated, personal.join(', ')];
    lines.push(`| ${cells.join(' | ')} |`);
  }
  lines.push('', '## Evaluation questions', '', renderDedupe(manifest.dedupe));
  if (problems.count > 0) lines.push('## Left out', '', '```', describeProblems(problems), '```', '');
  if (missing.length > 0) lines.push('## Not there', '', ...missing.map(describeSource), '');
  return `${lines.join('\n')}\n`;
}

function describeSource({ id, repository, commit, where, license }: Source): string {
  return `- ${id}: https://github.com/${repository} at ${commit}, ${where} (${license})`;
}

async function check(context: CliContext, options: CheckOptions): Promise<void> {
  const evaluation = await readEvaluation(options.eval);
  const result = await checkData(resolve(options.data), evaluation.questions);
  const markdown = renderCheck(result, evaluation.notes);
  const { files, problems, dedupe } = result;
  const { count, shown } = problems;
  const byReason = Object.fromEntries(problems.countByReason);
  const report = { evaluation: evaluation.notes, files, problems: { count, byReason, shown }, dedupe };
  await mkdir(options.out, { recursive: true });
  await writeWhole(join(options.out, 'data-check.json'), `${JSON.stringify(report, null, 2)}\n`);
  await writeWhole(join(options.out, 'data-check.md'), markdown);
  context.print(markdown);
  const isBad = count > 0 || dedupe.rowsMatched > 0;
  if (options.clean !== undefined) {
    const written = await copyClean(resolve(options.data), resolve(options.clean), result);
    const rows = Object.values(written).reduce((sum, file) => sum + file.rows, 0);
    context.print(`${options.clean}: ${rows} rows, without the ${dedupe.rowsMatched} above`);
  }
  if (isBad) {
    throw new CallerError(
      'data_not_clean',
      `${count} bad rows, and ${dedupe.rowsMatched} rows that give away evaluation questions; see ${join(options.out, 'data-check.md')}.`,
    );
  }
}

function renderCheck({ files, problems, dedupe }: DataCheck, notes: readonly string[]): string {
  const lines = ['# Check of the data', '', '| file | rows |', '| --- | ---: |'];
  for (const { file, rows } of files) lines.push(`| ${file} | ${rows} |`);
  lines.push('', '## Rows', '', '```', describeProblems(problems), '```', '');
  lines.push('## Evaluation questions', '', ...notes.map((note) => `- ${note}`), '', renderDedupe(dedupe));
  return lines.join('\n');
}

async function labels(context: CliContext, { data }: Pick<CheckOptions, 'data'>): Promise<void> {
  context.print(
    '| source | rows with a label | decided | right of the decided |\n| --- | ---: | ---: | ---: |',
  );
  for (const { source, rows, decided, right } of await measureLabels(resolve(data))) {
    context.print(`| ${source} | ${rows} | ${percent(decided, rows)} | ${percent(right, decided)} |`);
  }
}

function percent(part: number, whole: number): string {
  return whole === 0 ? '–' : `${((100 * part) / whole).toFixed(0)} %`;
}

/** All sets that are there, with a note for each of the three. */
async function readEvaluation(folder: string): Promise<{ questions: EvaluationQuestion[]; notes: string[] }> {
  const names = await readdir(folder).catch(() => []);
  if (names.length === 0) {
    throw new CallerError(
      'unreadable_data',
      `${folder} is empty or missing: give the folder of the evaluation sets.`,
    );
  }
  const questions: EvaluationQuestion[] = [];
  const notes: string[] = [];
  for (const set of EXAMS) {
    try {
      const exam = await readExam(set, folder);
      questions.push(...exam.questions.map(({ id, question }) => ({ set, id, question })));
      const bad = exam.problems.count > 0 ? `; ${exam.problems.count} bad rows left out` : '';
      notes.push(`${exam.description}${bad}`);
    } catch (error) {
      if (!(error instanceof CallerError) || error.code !== 'no_questions') throw error;
      notes.push(`${set}: not there, so not compared with`);
    }
  }
  if (questions.length === 0) {
    throw new CallerError('no_questions', `${folder} has none of the evaluation sets ${EXAMS.join(', ')}.`);
  }
  return { questions, notes };
}
