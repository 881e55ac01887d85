/** What of a row is compared with evaluation questions. */
import type { RowTexts } from './contamination.ts';

interface Message {
  readonly role: string;
  readonly content: string;
}

interface Question {
  readonly question: string;
  readonly options: Readonly<Record<string, string>>;
  readonly explanation?: string | undefined;
}

export function textsOfChat(messages: readonly Message[]): RowTexts {
  const questions = messages.filter(({ role }) => role === 'user').map(({ content }) => content);
  return { questions, all: messages.map(({ content }) => content) };
}

export function textsOfQuestion(row: Question): RowTexts {
  const { question, options, explanation = '' } = row;
  return { questions: [question], all: [question, ...Object.values(options), explanation] };
}
