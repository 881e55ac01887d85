/**
 * Checks all rows of a data directory: their form, ids and labels, and whether they give away evaluation questions. Reads
 * pretrain/, sft/, mcq/ and router/, every `.jsonl` and `.jsonl.gz` in them.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type * as z from 'zod';
import { createProblemList, type DataProblem, type ProblemList } from '../../base/data-problem.ts';
import { CallerError } from '../../base/errors.ts';
import { createContaminationIndex, type EvaluationQuestion, type RowTexts } from './dedupe/contamination.ts';
import { textsOfChat, textsOfQuestion } from './dedupe/row-texts.ts';
import { createDedupeLog, type DedupeReport } from './dedupe/report.ts';
import { readSpecialties } from './load-corpus.ts';
import { createRowCheck, readRows } from './read-rows.ts';
import { mcqRowSchema, pretrainRowSchema, sftRowSchema } from './rows.ts';

export interface DataCheck {
  readonly files: readonly { readonly file: string; readonly rows: number }[];
  readonly problems: ProblemList;
  readonly dedupe: DedupeReport;
}

export async function checkData(
  dataDirectory: string,
  evaluation: readonly EvaluationQuestion[],
): Promise<DataCheck> {
  const index = createContaminationIndex(evaluation);
  const problems = createProblemList();
  const log = createDedupeLog();
  const files: DataCheck['files'][number][] = [];
  const specialties = await readSpecialties(dataDirectory);
  const read = async <T extends Identity>(
    part: string,
    schema: z.ZodType<T>,
    textsOf: (row: T) => RowTexts,
  ): Promise<void> => {
    const check = createRowCheck(specialties);
    for (const name of await listRowFiles(join(dataDirectory, part))) {
      const file = `${part}/${name}`;
      let rows = 0;
      const options = { check, onBadRow: (problem: DataProblem) => problems.add(problem) };
      for await (const row of readRows(join(dataDirectory, part, name), schema, options)) {
        rows += 1;
        log.compared();
        const match = index.find(textsOf(row));
        if (match !== null) log.matched({ ...match, row: row.id, source: row.source, file });
      }
      files.push({ file, rows });
    }
  };
  await read('pretrain', pretrainRowSchema, ({ text }) => ({ questions: [], all: [text] }));
  await read('sft', sftRowSchema, ({ messages }) => textsOfChat(messages));
  await read('mcq', mcqRowSchema, textsOfQuestion);
  await read('router', pretrainRowSchema, ({ text }) => ({ questions: [text], all: [text] }));
  if (files.length === 0) {
    throw new CallerError(
      'no_data',
      `${dataDirectory} has no rows: it needs pretrain/, sft/, mcq/ or router/ with .jsonl or .jsonl.gz files.`,
      { param: dataDirectory },
    );
  }
  const sizes: Record<string, number> = {};
  for (const { set } of evaluation) sizes[set] = (sizes[set] ?? 0) + 1;
  return { files, problems, dedupe: log.finish(sizes) };
}

interface Identity {
  readonly id: string;
  readonly source: string;
}

async function listRowFiles(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  return names.filter((name) => /\.jsonl(?:\.gz)?$/u.test(name)).sort();
}
