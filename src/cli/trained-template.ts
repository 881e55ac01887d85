/** The form in which the shipped models learn multiple-choice questions, as a template of an evaluation. */
import type { ExamTemplate } from '../eval/exam-templates.ts';
import type { ExamQuestion } from '../eval/questions/exam-question.ts';
import { answerQuestion, askQuestion } from '../train/data/question-form.ts';

/**
 * `letters`: a chat with the question, answered as in training: 答案：B. `text`: a chat with the question alone, answered by
 * the text of an option, as in consultations.
 */
export const trainedTemplate: ExamTemplate = {
  name: "the trainer's chat form",
  lead: '',
  close: '\n',
  letters(question, examples) {
    const shots = examples.flatMap((example) => [
      { role: 'user' as const, content: ask(example) },
      { role: 'assistant' as const, content: answerQuestion({ answer: example.answer }) },
    ]);
    const messages = [...shots, { role: 'user' as const, content: ask(question) }];
    return { kind: 'chat', messages, begun: '答案：' };
  },
  text: ({ question }) => ({ kind: 'chat', messages: [{ role: 'user', content: question }], begun: '' }),
};

function ask(question: ExamQuestion): string {
  return askQuestion({ ...question, qtype: question.kind === 'multiple' ? 'multi' : 'single' });
}
