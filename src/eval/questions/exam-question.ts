/** A multiple-choice question of an evaluation set, whichever file it came from, and the checks that all of them pass. */
import type { DataProblem, ProblemList } from '../../base/data-problem.ts';
import { REPLACEMENT_CHARACTER } from '../../base/decode-text.ts';

export type ExamName = 'cmb' | 'cmexam' | 'cmmlu-med';
/** What is scored, or what worked examples are taken from (CMMLU's and CMB's own dev and val sets). */
export type ExamPart = 'test' | 'dev';

export interface ExamQuestion {
  /** Unique in its set. */
  readonly id: string;
  /** Which file of which publisher: `cmb-test`, `cmexam-test`, `cmmlu-test`, `cmb-test-single2000`, … */
  readonly source: string;
  readonly question: string;
  /** Letter to text, letters ascending from A; empty options are left out. */
  readonly options: Readonly<Record<string, string>>;
  /** Letters ascending: "C", "ABD". */
  readonly answer: string;
  readonly kind: 'single' | 'multiple';
  /** As the publisher names it: CMMLU's subject, CMB's exam class, CMExam's discipline. */
  readonly subject?: string;
  /** Label of a shard, or null. */
  readonly specialty: string | null;
  /** CMMLU: `core7` or `extended`. */
  readonly subset?: string;
  /** CMB: the names that the published prompt is filled with. */
  readonly exam?: { readonly type: string; readonly class: string };
}

/** What a file says before it is checked. Undefined: the field is missing. */
export interface RawQuestion {
  readonly line: number | null;
  readonly id: string;
  readonly source: string;
  readonly question: string | undefined;
  readonly options: Readonly<Record<string, string>> | undefined;
  readonly answer: string | undefined;
  /** Undefined: as many letters as the answer has decide. */
  readonly kind: ExamQuestion['kind'] | undefined;
  readonly specialty: string | null;
  readonly subject?: string | undefined;
  readonly subset?: string | undefined;
  readonly exam?: ExamQuestion['exam'];
}

export interface QuestionSink {
  /** Takes the question, or reports why not. */
  add(raw: RawQuestion): void;
  /** For what is not even a question. */
  reject(line: number | null, reason: string, id?: string): void;
}

/** Checks questions of one file into `questions`. `seen` holds the ids of the whole set. */
export function createQuestionSink(
  file: string,
  context: {
    readonly questions: ExamQuestion[];
    readonly problems: ProblemList;
    readonly seen: Set<string>;
    /** The specialties in use, where a list is at hand. */
    readonly specialties: ReadonlySet<string> | null;
  },
): QuestionSink {
  const reject = (line: number | null, reason: string, id: string | null = null): void =>
    context.problems.add({ file, line, id, reason } satisfies DataProblem);
  return {
    add(raw) {
      const checked = checkQuestion(raw, context.specialties);
      if (typeof checked === 'string') reject(raw.line, checked, raw.id);
      else if (context.seen.has(raw.id)) reject(raw.line, 'duplicate id', raw.id);
      else {
        context.seen.add(raw.id);
        context.questions.push(checked);
      }
    },
    reject: (line, reason, id) => reject(line, reason, id ?? null),
  };
}

const MAX_TEXT = 20_000;
const SPECIALTY_FORM = /^[a-z][a-z0-9_]{0,63}$/;

/** The question, or what is wrong with it. */
function checkQuestion(raw: RawQuestion, specialties: ReadonlySet<string> | null): ExamQuestion | string {
  const question = raw.question?.trim() ?? '';
  if (question === '') return 'question: missing';
  if (question.length > MAX_TEXT) return 'question: too long';
  const options = orderOptions(raw.options ?? {});
  const letters = Object.keys(options);
  if (letters.length < 2) return 'options: fewer than two';
  if (letters.some((letter) => !/^[A-Z]$/.test(letter))) return 'options: not named by letters';
  const texts = [question, ...Object.values(options)];
  if (texts.some((text) => text.includes(REPLACEMENT_CHARACTER))) return 'not valid text in its encoding';
  const answer = normaliseAnswer(raw.answer ?? '');
  if (answer === null) return 'answer: not letters';
  if (answer === '') return 'answer: missing';
  if (answer.split('').some((letter) => !Object.hasOwn(options, letter))) {
    return 'answer: outside the options';
  }
  const kind = raw.kind ?? (answer.length > 1 ? 'multiple' : 'single');
  if (kind === 'single' && answer.length > 1) return 'answer: several letters for a question with one answer';
  const { specialty } = raw;
  if (specialty !== null) {
    const isKnown = specialties === null ? SPECIALTY_FORM.test(specialty) : specialties.has(specialty);
    if (!isKnown) return 'specialty: unknown';
  }
  return {
    id: raw.id,
    source: raw.source,
    question,
    options,
    answer,
    kind,
    specialty,
    ...(raw.subject === undefined ? {} : { subject: raw.subject }),
    ...(raw.subset === undefined ? {} : { subset: raw.subset }),
    ...(raw.exam === undefined ? {} : { exam: raw.exam }),
  };
}

/** CMB fills questions with fewer options up with empty ones. */
function orderOptions(options: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(options)
      .map(([letter, text]) => [letter.trim().toUpperCase(), text.trim()] as const)
      .filter(([, text]) => text !== '')
      .sort(([left], [right]) => (left < right ? -1 : 1)),
  );
}

/** "B、A", "ａｂ" and "AB" are the same answer; null for what is not letters. */
function normaliseAnswer(answer: string): string | null {
  const letters = answer
    .normalize('NFKC')
    .toUpperCase()
    .replaceAll(/[\s,;、.。|/]/gu, '');
  if (!/^[A-Z]*$/.test(letters)) return null;
  return [...new Set(letters)].sort().join('');
}

/**
 * Options that stand in one field, a line each: "A text", "B. text", … A line that does not begin with the next letter
 * belongs to the option before it.
 */
export function splitOptionLines(field: string): Record<string, string> {
  const options: Record<string, string> = {};
  let letter = '';
  for (const line of field.split(/\r?\n/u)) {
    const expected = String.fromCharCode(letter === '' ? 65 : letter.charCodeAt(0) + 1);
    const match = /^\s*([A-Z])(?:[\s.．、:：]+|$)(.*)$/u.exec(line);
    if (match?.[1] === expected) {
      letter = expected;
      options[letter] = match[2] ?? '';
    } else if (letter !== '') options[letter] = `${options[letter] ?? ''}\n${line}`;
  }
  return options;
}
