/** Names for a table: which part of the official set the questions are. Another part must not pass for the set. */
import type { ExamName, ExamPart, ExamQuestion } from './exam-question.ts';

/** Sizes of the official sets, as their authors give them. */
const CMB_TEST = 11_200;
const CMB_VAL = 280;
const CMEXAM_TEST = 6811;
const CMEXAM_VAL = 6811;
const CMMLU_CORE_TEST = 1333;
const CMMLU_EXTENDED_TEST = 482;

export function describePart(name: ExamName, part: ExamPart, questions: readonly ExamQuestion[]): string {
  const count = questions.length;
  const sources = new Set(questions.map(({ source }) => source));
  if (name === 'cmmlu-med') {
    const core = questions.filter(({ subset }) => subset === 'core7').length;
    const extended = count - core;
    if (part === 'dev') return `CMMLU dev, medical subjects: ${count} worked examples`;
    return `CMMLU-Med test: seven subjects ${share(core, CMMLU_CORE_TEST)}, two more ${share(extended, CMMLU_EXTENDED_TEST)}`;
  }
  if (name === 'cmexam') {
    if (part === 'dev') return `CMExam val: ${share(count, CMEXAM_VAL)}`;
    return `CMExam test: ${share(count, CMEXAM_TEST)}`;
  }
  if (sources.has('cmb-test-single2000')) {
    return `CMB (2,000-question single-answer sample): ${share(count, 2000)}; not CMB-Exam`;
  }
  if (part === 'dev') return `CMB-Exam val: ${share(count, CMB_VAL)}`;
  return `CMB-Exam test: ${share(count, CMB_TEST)}`;
}

function share(count: number, all: number): string {
  return count === all ? `all ${all} questions` : `${count} of ${all} questions`;
}
