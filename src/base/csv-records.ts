/** The records of a CSV text with a header, each with the line it begins on. Quoted fields may span lines. */
import { parse, type CsvError } from 'csv-parse/sync';
import * as z from 'zod';

export interface CsvRecord {
  /** From 1, the header's line. */
  readonly line: number;
  /** By column name, as it stands in the header; a record that is too short lacks its last columns. */
  readonly fields: Readonly<Record<string, string>>;
}

export interface CsvOptions {
  readonly onBadRecord: (line: number, reason: string) => void;
  readonly delimiter?: string;
}

const MAX_RECORD_CHARACTERS = 2 ** 20;

const recordSchema = z.array(
  z.object({ info: z.object({ lines: z.int() }), record: z.record(z.string(), z.string()) }),
);

export function readCsvRecords(text: string, options: CsvOptions): CsvRecord[] {
  const report = (error: CsvError | undefined): void => {
    const line: unknown = error?.['lines'];
    options.onBadRecord(typeof line === 'number' ? line : 1, `not valid CSV (${error?.code ?? 'unknown'})`);
  };
  let parsed: unknown;
  try {
    parsed = parse(text, {
      bom: true,
      columns: (header: string[]) => header.map((name) => name.trim()),
      delimiter: options.delimiter ?? ',',
      info: true,
      max_record_size: MAX_RECORD_CHARACTERS,
      relax_column_count: true,
      relax_quotes: true,
      skip_empty_lines: true,
      skip_records_with_error: true,
      on_skip: (error) => {
        report(error);
        return undefined;
      },
    });
  } catch {
    options.onBadRecord(1, 'not valid CSV');
    return [];
  }
  let lastLine = 1;
  return recordSchema.parse(parsed).map(({ info, record }) => {
    const line = lastLine + 1;
    lastLine = info.lines;
    return { line, fields: record };
  });
}
