/**
 * How each benchmark puts its questions, in its own published words where it has them. A template gives two prompts:
 *
 * - `letters`: question and options; the letter (or letters) of the answer follow. Also used to generate.
 * - `text`: the question alone; the text of an option follows. (CMExam publishes such a form, its template 5; for CMB and
 *   CMMLU it is ours, in the benchmark's words.)
 *
 * Sources: CMB `workers/base.py` (query_prompt_2, few-shot answer 答案是…。), CMExam `src/preprocess/prompt_templates.py`
 * (templates 1 and 5), CMMLU `src/mp_utils.py` (gen_prompt, format_example) and `src/categories.py` (names of subjects).
 */
import type { ExamPrompt } from './answerer.ts';
import type { ExamQuestion } from './questions/exam-question.ts';
import type { ExamName } from './questions/read-exam.ts';

export interface ExamTemplate {
  /** As tables and files name it. */
  readonly name: string;
  /** Stands between prompt and continuation and counts as the continuation's. */
  readonly lead: string;
  /**
   * Follows the letters of a question with several answers. Without it "A" would be the beginning of "AC" and never less
   * likely than it; with it the sets exclude each other.
   */
  readonly close: string;
  letters(question: ExamQuestion, examples: readonly ExamQuestion[]): ExamPrompt;
  text(question: ExamQuestion): ExamPrompt;
}

export function officialTemplate(exam: ExamName): ExamTemplate {
  if (exam === 'cmb') return cmbTemplate;
  return exam === 'cmexam' ? cmexamTemplate : cmmluTemplate;
}

/** The questions at hand may not name their exam; then the sentence says 医学考试 and no more. */
const cmbTemplate: ExamTemplate = {
  name: 'CMB answer-only (query_prompt_2)',
  lead: '',
  close: '。',
  letters(question, examples) {
    const shots = examples.map((example) => `${askCmb(example)}\n答案是${example.answer}。\n\n`);
    return { kind: 'text', text: `${shots.join('')}${askCmb(question)}\n答案是` };
  },
  text: ({ question }) => ({ kind: 'text', text: `${question}\n答案是` }),
};

function askCmb(question: ExamQuestion): string {
  const { exam } = question;
  const where = exam ? `中国${exam.type}中${exam.class}考试` : '中国医学考试';
  const type = question.kind === 'multiple' ? '多项选择题' : '单项选择题';
  const instruction = `以下是${where}的一道${type}，不需要做任何分析和解释，直接输出答案选项。`;
  return [instruction, question.question, ...optionLines(question, '. ')].join('\n');
}

/** The published completion is "答案: B"; the blank belongs to the continuation, as tokenizers join it to the letter. */
const cmexamTemplate: ExamTemplate = {
  name: 'CMExam templates 1 (letters) and 5 (text)',
  lead: ' ',
  close: '\n',
  letters(question, examples) {
    const shots = examples.map((example) => `${askCmexam(example)}\n答案: ${example.answer}\n\n`);
    return { kind: 'text', text: `${shots.join('')}${askCmexam(question)}\n答案:` };
  },
  text: ({ question }) => ({ kind: 'text', text: `问题: ${question}\n答案:` }),
};

function askCmexam(question: ExamQuestion): string {
  return `问题: ${question.question}, \n 选项: ${optionLines(question, ' ').join('\n')}`;
}

const CMMLU_SUBJECTS: Readonly<Record<string, string>> = {
  anatomy: '解剖学',
  clinical_knowledge: '临床知识',
  college_medicine: '大学医学',
  genetics: '遗传学',
  nutrition: '营养学',
  traditional_chinese_medicine: '中医中药',
  virology: '病毒学',
  professional_medicine: '专业医学',
  college_medical_statistics: '大学医学统计',
};

const cmmluTemplate: ExamTemplate = {
  name: 'CMMLU answer-only (mp_utils)',
  lead: '',
  close: '\n',
  letters(question, examples) {
    const shots = examples.map((example) => `${askCmmlu(example)}${example.answer}\n\n`);
    return { kind: 'text', text: `${introduceCmmlu(question)}${shots.join('')}${askCmmlu(question)}` };
  },
  text: (question) => ({
    kind: 'text',
    text: `${introduceCmmlu(question)}题目：${question.question}\n答案是：`,
  }),
};

function introduceCmmlu({ subject }: ExamQuestion): string {
  const name = CMMLU_SUBJECTS[subject ?? ''] ?? subject ?? '医学';
  return `以下是关于${name}的单项选择题，请直接给出正确答案的选项。\n\n`;
}

function askCmmlu(question: ExamQuestion): string {
  return [`题目：${question.question}`, ...optionLines(question, '. '), '答案是：'].join('\n');
}

function optionLines({ options }: ExamQuestion, mark: string): string[] {
  return Object.entries(options).map(([letter, text]) => `${letter}${mark}${text}`);
}
