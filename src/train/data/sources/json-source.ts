/** Reading JSON files of sources record by record, each by its schema; what does not fit is reported and left out. */
import type * as z from 'zod';
import { parseRecord, splitJsonRecords } from '../../../base/json-records.ts';
import type { SourceFolder } from './source.ts';

export interface JsonRow<T> {
  readonly path: string;
  /** Position in its file, from 0. */
  readonly index: number;
  readonly line: number;
  readonly value: T;
}

/** The records of all files of the folder: of JSON Lines, or elements of an array. */
export async function* jsonRows<T>(
  folder: SourceFolder,
  schema: z.ZodType<T>,
): AsyncGenerator<JsonRow<T>, void, undefined> {
  for (const path of folder.paths) {
    yield* textRows((await folder.text(path)).text, path, schema, folder);
  }
}

export function* textRows<T>(
  text: string,
  path: string,
  schema: z.ZodType<T>,
  folder: SourceFolder,
): Generator<JsonRow<T>, void, undefined> {
  for (const [index, record] of splitJsonRecords(text).entries()) {
    const parsed = parseRecord(record.text);
    const row = parsed.ok ? schema.safeParse(parsed.value) : null;
    if (row?.success) yield { path, index, line: record.line, value: row.data };
    else if (!parsed.ok) folder.reject(path, record.line, parsed.reason);
    else
      folder.reject(
        path,
        record.line,
        `${row?.error.issues[0]?.path.join('.') || 'row'}: missing or of another form`,
      );
  }
}
