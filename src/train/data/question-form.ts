/** How a multiple-choice question is put to the model, and how its answer is given: the same words in training and use. */
import type { McqRow } from './rows.ts';

export function askQuestion(row: Pick<McqRow, 'question' | 'options' | 'qtype'>): string {
  const kind = row.qtype === 'multi' ? '多选题' : '单选题';
  const options = Object.entries(row.options)
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([letter, text]) => `${letter}. ${text}`);
  return [`${kind}：${row.question}`, ...options].join('\n');
}

/** The letters come first, so that they can be read without waiting for the explanation. */
export function answerQuestion(row: Pick<McqRow, 'answer' | 'explanation'>): string {
  const explanation = row.explanation?.trim() ?? '';
  return explanation === '' ? `答案：${row.answer}` : `答案：${row.answer}\n解析：${explanation}`;
}
