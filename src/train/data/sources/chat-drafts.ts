/** What readers of chats share. */
import * as z from 'zod';
import { specialtyOfDepartment } from '../../../base/departments.ts';
import type { ChatDraft } from './source.ts';

/** Some publish a text as a list with one element. */
const textOrList = z.union([z.string(), z.array(z.string())]).transform((value) => [value].flat().join('\n'));

export const instructionSchema = z.object({
  instruction: textOrList,
  input: textOrList.optional().default(''),
  output: textOrList,
  id: z.union([z.string(), z.int()]).optional(),
});

/** Undefined, so that the text decides, where the department says nothing. */
export function labelOf(...departments: readonly string[]): { specialty?: string } {
  for (const department of departments) {
    const specialty = specialtyOfDepartment(department);
    if (specialty !== null) return { specialty };
  }
  return {};
}

/** A dialogue in one text, where marks say who speaks. What stands before the first mark is left out. */
export function splitTurns(
  text: string,
  marks: RegExp,
  isUser: (name: string) => boolean,
): ChatDraft['messages'] {
  const found = [...text.matchAll(marks)];
  return found.map((mark, at) => ({
    role: isUser(mark[1] ?? '') ? ('user' as const) : ('assistant' as const),
    content: text.slice(mark.index + mark[0].length, found[at + 1]?.index),
  }));
}

/** Numbers in ids have one width, so that ids sort as their rows do. */
export function padded(index: number, width = 4): string {
  return String(index).padStart(width, '0');
}

/** A question and an answer as a chat. */
export function askAndAnswer(question: string, answer: string): ChatDraft['messages'] {
  return [
    { role: 'user', content: question },
    { role: 'assistant', content: answer },
  ];
}
