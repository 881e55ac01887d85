/**
 * Questions of JSON files: CMB as FreedomIntelligence/CMB publishes it (an array; `option`, `exam_class`, `question_type`),
 * the normalised form (JSON Lines; `options`, `qtype`), and the form of aistairc/medLLM_QA_benchmark (`choices`).
 */
import * as z from 'zod';
import { specialtyOfDepartment } from '../../base/departments.ts';
import { parseRecord, splitJsonRecords } from '../../base/json-records.ts';
import type { QuestionSink } from './exam-question.ts';

const loose = z.string().optional().catch(undefined);
const optionsSchema = z.record(z.string(), z.string()).optional().catch(undefined);

const normalisedSchema = z.object({
  id: z.string().min(1),
  source: z.string().min(1),
  question: loose,
  options: optionsSchema,
  answer: loose,
  qtype: z.enum(['single', 'multi']).optional(),
  specialty: z.string().nullish(),
  subject: z.string().nullish(),
  subset: z.string().nullish(),
});

const cmbSchema = z.object({
  id: z.union([z.int(), z.string()]).optional(),
  exam_type: z.string().default(''),
  exam_class: z.string().default(''),
  exam_subject: z.string().default(''),
  question: loose,
  question_type: z.string().default(''),
  option: optionsSchema,
  answer: loose,
});

const choicesSchema = z.object({
  problem_id: z.union([z.int(), z.string()]),
  problem_text: loose,
  choices: z.array(z.string()).optional().catch(undefined),
  answer: z.array(z.string()).optional().catch(undefined),
});

export interface JsonContext {
  /** Source and first part of the ids, where a file has none of its own: `cmb-test`. */
  readonly source: string;
  /** Answers by id, of CMB's separate answer file. */
  readonly answers: ReadonlyMap<string, string>;
}

/** Every record of the text into the sink. */
export function readJsonQuestions(text: string, sink: QuestionSink, context: JsonContext): void {
  for (const [index, record] of splitJsonRecords(text).entries()) {
    const parsed = parseRecord(record.text);
    if (parsed.ok) readRecord(parsed.value, record.line, index, sink, context);
    else sink.reject(record.line, parsed.reason);
  }
}

function readRecord(
  value: unknown,
  line: number,
  index: number,
  sink: QuestionSink,
  { source, answers }: JsonContext,
): void {
  if (!isObject(value)) return sink.reject(line, 'not an object');
  if ('choices' in value || 'problem_text' in value) {
    const row = choicesSchema.safeParse(value);
    if (!row.success) return sink.reject(line, describeIssue(row.error));
    const { problem_id: number, problem_text: question, choices, answer } = row.data;
    const options =
      choices && Object.fromEntries(choices.map((text, at) => [String.fromCharCode(65 + at), text]));
    const id = `${source}-${String(number).padStart(4, '0')}`;
    const kind = undefined;
    return sink.add({ line, id, source, question, options, answer: answer?.join(''), kind, specialty: null });
  }
  if ('option' in value || 'exam_class' in value) {
    const row = cmbSchema.safeParse(value);
    if (!row.success) return sink.reject(line, describeIssue(row.error));
    const { data } = row;
    const number = data.id === undefined ? String(index) : String(data.id);
    return sink.add({
      line,
      id: `${source}-${number}`,
      source,
      question: data.question,
      options: data.option,
      answer: data.answer ?? answers.get(number),
      kind: data.question_type.includes('多') ? 'multiple' : 'single',
      subject: data.exam_class,
      specialty: specialtyOfDepartment(data.exam_subject),
      exam: { type: data.exam_type, class: data.exam_class },
    });
  }
  const row = normalisedSchema.safeParse(value);
  if (!row.success) return sink.reject(line, describeIssue(row.error));
  const { data } = row;
  return sink.add({
    line,
    id: data.id,
    source: data.source,
    question: data.question,
    options: data.options,
    answer: data.answer,
    kind: data.qtype === 'multi' ? 'multiple' : data.qtype,
    specialty: data.specialty ?? null,
    subject: data.subject ?? undefined,
    subset: data.subset ?? undefined,
  });
}

const answerSchema = z.object({
  id: z.union([z.int(), z.string()]),
  answer: z.string(),
  question: z.undefined().optional(),
});

/** CMB's answer file: records with `id` and `answer` and no question. Empty for any other text. */
export function readAnswers(text: string): Map<string, string> {
  const answers = new Map<string, string>();
  for (const record of splitJsonRecords(text)) {
    const parsed = parseRecord(record.text);
    const row = answerSchema.safeParse(parsed.ok ? parsed.value : null);
    if (row.success) answers.set(String(row.data.id), row.data.answer);
  }
  return answers;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The field and what is wrong, without the value. */
function describeIssue(error: z.ZodError): string {
  const issue = error.issues[0];
  return `${issue?.path.join('.') || 'row'}: ${issue?.code === 'invalid_type' ? 'missing or of the wrong type' : 'wrong form'}`;
}
