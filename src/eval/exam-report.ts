/** From the records of single questions to the figures of an exam: overall, by subset, subject and specialty. */
import { NORMAL_95, proportion, type Proportion } from '../base/proportion.ts';
import { createRandom } from '../base/random.ts';
import type { QuestionRecord, ScoredChoice } from './score-questions.ts';

/** Mean with a 95 % interval. */
export interface MeanEstimate {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
  readonly questions: number;
}

export interface GroupReport {
  readonly questions: number;
  /** Of these, with several answers. */
  readonly multiple: number;
  readonly letters?: Proportion;
  readonly text?: Proportion;
  readonly textPerCharacter?: Proportion;
  readonly generated?: Proportion;
  /** Generated answers in which no letter was found; they count as wrong. */
  readonly unread?: number;
  /** Nats; see margins.ts. */
  readonly lettersMargin?: MeanEstimate;
  readonly textMargin?: MeanEstimate;
  readonly textPerCharacterMargin?: MeanEstimate;
  /** The commonest right answer of these very questions, always given: knowing nothing, one can have this. */
  readonly majority: { readonly answer: string; readonly accuracy: number };
  /** Mean of 1 / candidates. */
  readonly chance: number;
  /** How often each answer was chosen by letters: a model that always says one letter shows here. */
  readonly chosen?: Readonly<Record<string, number>>;
}

export interface ExamFigures {
  readonly overall: GroupReport;
  /** `single`, `multiple`. */
  readonly byKind: Readonly<Record<string, GroupReport>>;
  /** CMMLU-Med: `core7`, `extended`. */
  readonly bySubset: Readonly<Record<string, GroupReport>>;
  readonly bySubject: Readonly<Record<string, GroupReport>>;
  /** `none` where a question has no label. */
  readonly bySpecialty: Readonly<Record<string, GroupReport>>;
  /** Mean over subjects of the accuracy by letters, every subject weighing the same, as CMMLU averages. */
  readonly macro?: MeanEstimate;
}

export function examFigures(records: readonly QuestionRecord[], seed = 1): ExamFigures {
  const bySubject = groupBy(records, ({ subject }) => subject);
  const macro = macroAverage([...bySubject.values()], seed);
  return {
    overall: reportGroup(records),
    byKind: reportAll(groupBy(records, ({ kind }) => kind)),
    bySubset: reportAll(groupBy(records, ({ subset }) => subset)),
    bySubject: reportAll(bySubject),
    bySpecialty: reportAll(groupBy(records, ({ specialty }) => specialty ?? 'none')),
    ...(macro ? { macro } : {}),
  };
}

function reportGroup(records: readonly QuestionRecord[]): GroupReport {
  const letters = records.flatMap((record) => record.letters ?? []);
  const text = records.flatMap((record) => record.text ?? []);
  const textPerCharacter = records.flatMap((record) => record.textPerCharacter ?? []);
  const generated = records.flatMap((record) => record.generated ?? []);
  const lettersMargin = marginOf(letters);
  const textMargin = marginOf(text);
  const textPerCharacterMargin = marginOf(textPerCharacter);
  return {
    questions: records.length,
    multiple: records.filter(({ kind }) => kind === 'multiple').length,
    ...(letters.length > 0 ? { letters: share(letters) } : {}),
    ...(text.length > 0 ? { text: share(text) } : {}),
    ...(textPerCharacter.length > 0 ? { textPerCharacter: share(textPerCharacter) } : {}),
    ...(generated.length > 0
      ? { generated: share(generated), unread: generated.filter(({ chosen }) => chosen === '').length }
      : {}),
    ...(lettersMargin ? { lettersMargin } : {}),
    ...(textMargin ? { textMargin } : {}),
    ...(textPerCharacterMargin ? { textPerCharacterMargin } : {}),
    majority: majorityOf(records),
    chance: average(records.map(chanceOf)),
    ...(letters.length > 0 ? { chosen: count(letters.map(({ chosen }) => chosen)) } : {}),
  };
}

function share(choices: readonly { right: boolean }[]): Proportion {
  return proportion(choices.map(({ right }) => right));
}

/** Of the choices that have a margin; undefined where none has. */
function marginOf(choices: readonly ScoredChoice[]): MeanEstimate | undefined {
  const margins = choices.flatMap((choice) => (choice.margin === null ? [] : [choice.margin]));
  return margins.length > 0 ? meanOf(margins) : undefined;
}

/** With the interval of the normal distribution: mean ± 1.96 · s / √n. */
function meanOf(values: readonly number[]): MeanEstimate {
  const mean = average(values);
  const spread = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, values.length - 1);
  const half = NORMAL_95 * Math.sqrt(spread / values.length);
  return { mean, low: mean - half, high: mean + half, questions: values.length };
}

function majorityOf(records: readonly QuestionRecord[]): GroupReport['majority'] {
  const counts = Object.entries(count(records.map(({ answer }) => answer)));
  const [answer = '', most = 0] =
    counts.sort(([a, left], [b, right]) => right - left || (a < b ? -1 : 1))[0] ?? [];
  return { answer, accuracy: records.length === 0 ? 0 : most / records.length };
}

function chanceOf({ kind, options }: QuestionRecord): number {
  return 1 / (kind === 'multiple' ? 2 ** options - 1 : options);
}

/** The interval resamples the questions of each subject; null below two subjects. */
function macroAverage(subjects: readonly (readonly QuestionRecord[])[], seed: number): MeanEstimate | null {
  const outcomes = subjects
    .map((records) => records.flatMap(({ letters }) => (letters ? [Number(letters.right)] : [])))
    .filter((list) => list.length > 0);
  if (outcomes.length < 2) return null;
  const random = createRandom(seed);
  const means: number[] = [];
  for (let resample = 0; resample < MACRO_RESAMPLES; resample++) {
    means.push(
      average(outcomes.map((list) => average(list.map(() => list[random.integer(list.length)] ?? 0)))),
    );
  }
  means.sort((left, right) => left - right);
  const mean = average(outcomes.map(average));
  const at = (share: number): number => means[Math.round(share * (means.length - 1))] ?? mean;
  return { mean, low: at(0.025), high: at(0.975), questions: outcomes.flat().length };
}

const MACRO_RESAMPLES = 2000;

function groupBy(
  records: readonly QuestionRecord[],
  keyOf: (record: QuestionRecord) => string | undefined,
): Map<string, QuestionRecord[]> {
  const groups = new Map<string, QuestionRecord[]>();
  for (const record of records) {
    const key = keyOf(record);
    if (key === undefined) continue;
    const group = groups.get(key);
    if (group) group.push(record);
    else groups.set(key, [record]);
  }
  return new Map([...groups].sort(([left], [right]) => (left < right ? -1 : 1)));
}

function reportAll(groups: ReadonlyMap<string, readonly QuestionRecord[]>): Record<string, GroupReport> {
  return Object.fromEntries([...groups].map(([name, records]) => [name, reportGroup(records)]));
}

function count(values: readonly string[]): Record<string, number> {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return Object.fromEntries([...counts].sort(([left], [right]) => (left < right ? -1 : 1)));
}

function average(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}
