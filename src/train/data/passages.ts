/** Rows as plain passages, for models that read characters: the same characters that the token corpus is made of. */
import type { TemplateMessage } from '../../model/chat-template.ts';
import type { CorpusPart } from './corpus.ts';
import { chatOfQuestion, chatOfRow } from './encode-rows.ts';
import { partPath } from './load-corpus.ts';
import { readRows, type ReadOptions } from './read-rows.ts';
import { mcqRowSchema, pretrainRowSchema, sftRowSchema } from './rows.ts';

export interface PassageDocument {
  readonly id: string;
  readonly specialty: string | null;
  readonly passages: readonly { readonly kind: 'text' | 'question' | 'answer'; readonly text: string }[];
}

export interface PassageRequest extends ReadOptions {
  readonly dataDirectory: string;
  readonly part: CorpusPart;
  readonly split: 'train' | 'valid';
}

export async function* readPassages(
  request: PassageRequest,
): AsyncGenerator<PassageDocument, void, undefined> {
  const path = partPath(request.dataDirectory, request.part, request.split);
  if (request.part === 'pretrain') {
    for await (const { id, specialty, text } of readRows(path, pretrainRowSchema, request)) {
      yield { id, specialty, passages: [{ kind: 'text', text }] };
    }
  } else if (request.part === 'sft') {
    for await (const row of readRows(path, sftRowSchema, request)) yield describeChat(row, chatOfRow(row));
  } else {
    for await (const row of readRows(path, mcqRowSchema, request))
      yield describeChat(row, chatOfQuestion(row));
  }
}

function describeChat(
  { id, specialty }: Pick<PassageDocument, 'id' | 'specialty'>,
  messages: readonly TemplateMessage[],
): PassageDocument {
  const passages = messages.map(({ role, content }) => ({
    kind: role === 'assistant' ? ('answer' as const) : ('question' as const),
    text: content,
  }));
  return { id, specialty, passages };
}
