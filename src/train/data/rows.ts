/** The rows of the data files: what is required of them. Fields that nothing reads are dropped. */
import * as z from 'zod';

const identity = {
  id: z.string().min(1).max(200),
  source: z.string().min(1).max(200),
  license: z.string().min(1).max(200),
  /** One of the labels in use, or null. The list of labels is data, not code. */
  specialty: z
    .string()
    .regex(/^[a-z][a-z0-9_]{0,63}$/)
    .nullable(),
};

const textSchema = z.string().min(1).max(200_000);

export const pretrainRowSchema = z.object({ ...identity, text: textSchema });
export type PretrainRow = z.output<typeof pretrainRowSchema>;

const messageSchema = z.object({ role: z.enum(['user', 'assistant']), content: textSchema });

export const sftRowSchema = z.object({
  ...identity,
  messages: z
    .array(messageSchema)
    .min(2)
    .max(400)
    .refine((messages) => messages[0]?.role === 'user', { error: 'the first message must be of the user' })
    .refine((messages) => messages.at(-1)?.role === 'assistant', {
      error: 'the last message must be of the assistant',
    }),
});
export type SftRow = z.output<typeof sftRowSchema>;

export const mcqRowSchema = z
  .object({
    ...identity,
    question: textSchema,
    options: z.record(z.string().regex(/^[A-Z]$/), z.string().max(5000)),
    answer: z.string().regex(/^[A-Z]+$/),
    qtype: z.enum(['single', 'multi']),
    explanation: z.string().max(50_000).optional(),
  })
  .refine((row) => row.answer.split('').every((letter) => Object.hasOwn(row.options, letter)), {
    error: 'every letter of the answer must be an option',
    path: ['answer'],
  })
  .refine((row) => row.qtype === 'multi' || row.answer.length === 1, {
    error: 'a question with one answer must have one letter',
    path: ['answer'],
  });
export type McqRow = z.output<typeof mcqRowSchema>;
