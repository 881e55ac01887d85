/** How good the weak labels are: the lexicon against the labels that sources themselves give, on the same rows. */
import * as z from 'zod';
import { existsSync } from 'node:fs';
import { partPath } from './load-corpus.ts';
import { readRows } from './read-rows.ts';
import { guessSpecialty } from './weak-label.ts';

export interface LabelQuality {
  readonly source: string;
  /** Rows with a label of the source. */
  readonly rows: number;
  /** Rows that the lexicon labels. */
  readonly decided: number;
  /** Of those, rows with the same label. */
  readonly right: number;
}

const rowSchema = z.object({
  source: z.string(),
  specialty: z.string().nullable(),
  specialty_src: z.string().nullish(),
  messages: z.array(z.object({ content: z.string() })).optional(),
  question: z.string().optional(),
  options: z.record(z.string(), z.string()).optional(),
});

/** First turns of consultations, and questions with their options: what the labels are made from when data is built. */
export async function measureLabels(dataDirectory: string): Promise<LabelQuality[]> {
  const bySource = new Map<string, { rows: number; decided: number; right: number }>();
  for (const part of ['sft', 'mcq'] as const) {
    for (const split of ['train', 'valid'] as const) {
      const path = partPath(dataDirectory, part, split);
      if (!existsSync(path)) continue;
      for await (const row of readRows(path, rowSchema)) {
        if (row.specialty_src !== 'gold') continue;
        const options = Object.values(row.options ?? {});
        const guess = guessSpecialty(
          row.messages?.[0]?.content ?? [row.question ?? '', ...options].join('\n'),
        );
        const counts = bySource.get(row.source) ?? { rows: 0, decided: 0, right: 0 };
        bySource.set(row.source, counts);
        counts.rows += 1;
        counts.decided += guess === null ? 0 : 1;
        counts.right += guess === row.specialty ? 1 : 0;
      }
    }
  }
  return [...bySource].map(([source, counts]) => ({ source, ...counts }));
}
