/** The texts that a tokenizer is trained on: open training parts, weighed so that consultations are well covered. */
import { createRandom } from '../../base/random.ts';
import { partPath } from '../data/load-corpus.ts';
import { readRows } from '../data/read-rows.ts';
import { mcqRowSchema, pretrainRowSchema, sftRowSchema } from '../data/rows.ts';

export interface TokenizerTextsOptions {
  /** Directory with pretrain/, sft/ and mcq/. */
  readonly dataDirectory: string;
  /** Share of the pretrain rows that is used: half of it is classical medicine, which few people write. */
  readonly pretrainShare: number;
  readonly seed: number;
}

export async function readTokenizerTexts(options: TokenizerTextsOptions): Promise<string[]> {
  const path = (part: 'pretrain' | 'sft' | 'mcq'): string => partPath(options.dataDirectory, part, 'train');
  const pretrain: string[] = [];
  for await (const row of readRows(path('pretrain'), pretrainRowSchema)) pretrain.push(row.text);
  createRandom(options.seed).shuffle(pretrain);
  const texts = pretrain.slice(0, Math.floor(pretrain.length * options.pretrainShare));
  for await (const row of readRows(path('sft'), sftRowSchema)) {
    // With the words of the chat template, which every request carries.
    for (const { role, content } of row.messages) texts.push(`${role}\n${content}`);
  }
  for await (const row of readRows(path('mcq'), mcqRowSchema)) {
    texts.push(row.question, ...Object.values(row.options), row.explanation ?? '');
  }
  return texts;
}
