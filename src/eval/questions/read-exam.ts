/**
 * Reads one of the three evaluation sets from a file or folder, in any of the forms it circulates in, and says which part of
 * the official set it is: that is what a table has to call it.
 */
import { dirname } from 'node:path';
import { createProblemList, type ProblemList } from '../../base/data-problem.ts';
import { CallerError } from '../../base/errors.ts';
import { CMMLU_CORE, CMMLU_EXTENDED, readCmexamCsv, readCmmluCsv } from './csv-questions.ts';
import { describePart } from './describe-part.ts';
import {
  createQuestionSink,
  type ExamName,
  type ExamPart,
  type ExamQuestion,
  type QuestionSink,
} from './exam-question.ts';
import { findSpecialties, listFiles, readExamFile, stemOf, type ExamFile } from './files.ts';
import { readAnswers, readJsonQuestions } from './json-questions.ts';

export type { ExamName, ExamPart, ExamQuestion } from './exam-question.ts';

export interface Exam {
  readonly name: ExamName;
  readonly part: ExamPart;
  /** In the order of the files. */
  readonly questions: readonly ExamQuestion[];
  /** What was left out, and why. */
  readonly problems: ProblemList;
  /** Which part of the official set this is, in words for a table. */
  readonly description: string;
  readonly files: readonly Pick<ExamFile, 'path' | 'sha256' | 'encoding'>[];
}

/**
 * `path`: a file of the set, its folder, or a folder with all three sets. Throws CallerError `unreadable_data` when there is
 * nothing, `no_questions` when none of the files is of this set. Bad rows are in `problems` and not in `questions`; whether
 * to go on without them is for the caller.
 */
export async function readExam(name: ExamName, path: string, part: ExamPart = 'test'): Promise<Exam> {
  const all = await listFiles(path);
  // A file that is named is read whatever it is called; of a folder, only what is of this set.
  const paths = all[0] === path ? all : preferOne(all.filter((file) => belongs(file, name, part)));
  const questions: ExamQuestion[] = [];
  const problems = createProblemList();
  const context = { questions, problems, seen: new Set<string>(), specialties: await findSpecialties(path) };
  const answers =
    name === 'cmb' && part === 'test' ? await readAnswerFiles(path, all) : new Map<string, string>();
  const files: Exam['files'][number][] = [];
  for (const file of paths) {
    const read = await readExamFile(file);
    files.push({ path: file, sha256: read.sha256, encoding: read.encoding });
    readQuestions(name, part, read, createQuestionSink(file, context), answers);
  }
  if (questions.length === 0 && problems.count === 0) {
    throw new CallerError(
      'no_questions',
      `${path} has no ${part === 'dev' ? 'worked examples' : 'questions'} of ${name}: ${EXPECTED[name]}`,
      { param: path },
    );
  }
  return { name, part, questions, problems, description: describePart(name, part, questions), files };
}

const EXPECTED: Readonly<Record<ExamName, string>> = {
  cmb: 'give cmb.jsonl, or the folder with CMB-test-choice-question-merge.json and CMB-test-choice-answer.json.',
  cmexam: "give cmexam.jsonl, or CMExam's test.csv or test_with_annotations.csv.",
  'cmmlu-med': 'give cmmlu_med.jsonl, or the folder of CMMLU with test/ and dev/.',
};

function readQuestions(
  name: ExamName,
  part: ExamPart,
  file: ExamFile,
  sink: QuestionSink,
  answers: ReadonlyMap<string, string>,
): void {
  const start = file.text.trimStart().charAt(0);
  if (start === '[' || start === '{') {
    const source = name === 'cmb' ? (part === 'dev' ? 'cmb-val' : 'cmb-test') : `cmexam-${part}`;
    readJsonQuestions(file.text, sink, { source, answers });
  } else if (name === 'cmexam') readCmexamCsv(file.text, `cmexam-${part === 'dev' ? 'val' : 'test'}`, sink);
  else if (name === 'cmmlu-med') readCmmluCsv(file.text, part, stemOf(file.path), sink);
  else sink.reject(1, 'neither JSON nor JSON Lines');
}

const CMMLU_SUBJECTS = new Set<string>([...CMMLU_CORE, ...CMMLU_EXTENDED]);

/** Whether a file of a folder is of this part of this set, by its name. */
function belongs(path: string, name: ExamName, part: ExamPart): boolean {
  const stem = stemOf(path);
  if (/\.jsonl$/iu.test(path)) {
    const wanted = name === 'cmmlu-med' ? 'cmmlu_med' : name;
    return stem === (part === 'dev' ? `${wanted}_dev` : wanted);
  }
  if (name === 'cmb') {
    if (!/\.json$/iu.test(path)) return false;
    return stem.startsWith(part === 'dev' ? 'cmb-val' : 'cmb-test-choice-question');
  }
  if (!/\.csv$/iu.test(path)) return false;
  if (name === 'cmexam') {
    return part === 'dev' ? stem === 'val' : /^(?:cmexam_)?test(?:_with_annotations)?$/u.test(stem);
  }
  return CMMLU_SUBJECTS.has(stem) && isInPartFolder(path, part);
}

/** CMMLU keeps test/ and dev/ apart; a folder without either is what the caller says it is. */
function isInPartFolder(path: string, part: ExamPart): boolean {
  const folder = path.split(/[/\\]/u).at(-2) ?? '';
  return folder === part || (folder !== 'test' && folder !== 'dev' && part === 'test');
}

/** A set may lie there twice: as JSON Lines and as published, or (CMExam's test) with annotations and without. */
function preferOne(paths: readonly string[]): readonly string[] {
  const normalised = paths.filter((path) => /\.jsonl$/iu.test(path));
  if (normalised.length > 0) return normalised;
  const annotated = paths.filter((path) => stemOf(path).endsWith('_with_annotations'));
  return annotated.length > 0 ? annotated : paths;
}

/** CMB publishes the answers of its test set in a file of their own, found in the folder or beside the file. */
async function readAnswerFiles(path: string, all: readonly string[]): Promise<Map<string, string>> {
  const beside = all[0] === path ? await listFiles(dirname(path)) : all;
  const answers = new Map<string, string>();
  for (const path of beside) {
    if (!stemOf(path).startsWith('cmb-test-choice-answer')) continue;
    for (const [id, answer] of readAnswers((await readExamFile(path)).text)) answers.set(id, answer);
  }
  return answers;
}
