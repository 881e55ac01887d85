/** Rows to documents of token ids. */
import { invariant } from '../../base/invariant.ts';
import { createChatEncoder, type TemplateMessage } from '../../model/chat-template.ts';
import type { Tokenizer } from '../../model/tokenizer.ts';
import type { CorpusBuilder, CorpusPart } from './corpus.ts';
import { answerQuestion, askQuestion } from './question-form.ts';
import type { McqRow, PretrainRow, SftRow } from './rows.ts';

export interface RowEncoder {
  pretrain(row: PretrainRow): void;
  sft(row: SftRow): void;
  mcq(row: McqRow): void;
}

/** Adds each row it is given to the builder. */
export function createRowEncoder(tokenizer: Tokenizer, builder: CorpusBuilder): RowEncoder {
  const chats = createChatEncoder(tokenizer);
  const endOfText = tokenizer.tokenToId('<|endoftext|>') ?? tokenizer.endOfTextIds[0];
  invariant(endOfText !== undefined, 'a tokenizer has an end-of-text token');

  const addChat = (row: Row, part: CorpusPart, messages: readonly TemplateMessage[]): void => {
    const { ids, answers, turns } = chats.encodeLearntChat(messages);
    const characters = messages.reduce((sum, { content }) => sum + countCharacters(content), 0);
    builder.add({ ...describe(row), part, characters }, ids, answers, turns);
  };

  return {
    pretrain(row) {
      // The same token in front gives the first token of the text something to be predicted from.
      const ids = [endOfText, ...tokenizer.encode(row.text), endOfText];
      const answers = new Uint8Array(ids.length).fill(1);
      answers[0] = 0;
      const characters = countCharacters(row.text);
      builder.add({ ...describe(row), part: 'pretrain', characters }, ids, answers, null);
    },
    sft: (row) => addChat(row, 'sft', chatOfRow(row)),
    mcq: (row) => addChat(row, 'mcq', chatOfQuestion(row)),
  };
}

interface Row {
  readonly id: string;
  readonly source: string;
  readonly specialty: string | null;
}

function describe({ id, source, specialty }: Row): Row {
  return { id, source, specialty };
}

/** White space around a message would only teach where a website put it. */
export function chatOfRow(row: Pick<SftRow, 'messages'>): TemplateMessage[] {
  return row.messages.map(({ role, content }) => ({ role, content: content.trim() }));
}

export function chatOfQuestion(row: McqRow): TemplateMessage[] {
  return [
    { role: 'user', content: askQuestion(row) },
    { role: 'assistant', content: answerQuestion(row) },
  ];
}

/** Code points, the unit of "bits per character". */
export function countCharacters(text: string): number {
  let count = 0;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit < 0xdc00 || unit > 0xdfff) count += 1;
  }
  return count;
}
