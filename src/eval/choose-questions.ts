/** Which questions are asked, and which worked examples stand before each. */
import { createRandom } from '../base/random.ts';
import type { ExamQuestion } from './questions/exam-question.ts';

/** A seeded sample without replacement, in the order of the set: the same seed and limit give the same questions. */
export function sampleQuestions(
  questions: readonly ExamQuestion[],
  limit: number | undefined,
  seed: number,
): ExamQuestion[] {
  if (limit === undefined || limit >= questions.length) return [...questions];
  const order = createRandom(seed).shuffle(questions.map((_, index) => index));
  const chosen = new Set(order.slice(0, limit));
  return questions.filter((_, index) => chosen.has(index));
}

/**
 * The first `count` of the pool that fit best: of the question's own subject if the pool has any (CMMLU's dev file has
 * five a subject, and its script takes them in order), else of its exam and kind (one answer or several), else of its
 * kind, else any. Never the question itself.
 */
export function chooseExamples(
  question: ExamQuestion,
  pool: readonly ExamQuestion[],
  count: number,
): ExamQuestion[] {
  if (count === 0) return [];
  const others = pool.filter(
    (example) => example.id !== question.id && example.question !== question.question,
  );
  const ofSubject = others.filter(
    ({ subject, kind }) => subject !== undefined && subject === question.subject && kind === question.kind,
  );
  const ofKind = others.filter(({ kind }) => kind === question.kind);
  const ofExam = ofKind.filter(({ source }) => examOf(source) === examOf(question.source));
  const best = [ofSubject, ofExam, ofKind, others].find((list) => list.length > 0) ?? [];
  return best.slice(0, count);
}

/** `cmexam` of `cmexam-val` and of `cmexam-test`. */
function examOf(source: string): string {
  return source.split('-')[0] ?? source;
}
