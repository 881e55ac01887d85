/** Streams the rows of a JSON Lines file, gzipped or not, and checks each. */
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type * as z from 'zod';
import { CallerError } from '../../base/errors.ts';

export interface RowProblem {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly reason: string;
}

export interface ReadOptions {
  /**
   * Called for each bad row, which is then left out. Without it a bad row is an error: the file is read to its end, so
   * that the error can say how many there are, but no row after the first bad one is handed out.
   */
  readonly onBadRow?: (problem: RowProblem) => void;
}

const MAX_LINE_BYTES = 4 * 2 ** 20;
const PROBLEMS_SHOWN = 5;
const NEWLINE = 0x0a;

export async function* readRows<T>(
  path: string,
  schema: z.ZodType<T>,
  options: ReadOptions = {},
): AsyncGenerator<T, void, undefined> {
  const shown: RowProblem[] = [];
  let bad = 0;
  let line = 0;
  for await (const bytes of readLines(path)) {
    line += 1;
    if (bytes !== null && bytes.length === 0) continue;
    const row = parseRow(bytes, schema);
    if (row.ok) {
      if (bad === 0 || options.onBadRow !== undefined) yield row.value;
      continue;
    }
    bad += 1;
    const problem = { file: path, line, reason: row.reason };
    if (options.onBadRow !== undefined) options.onBadRow(problem);
    else if (shown.length < PROBLEMS_SHOWN) shown.push(problem);
  }
  if (bad > 0 && options.onBadRow === undefined) {
    const list = shown.map((problem) => `line ${problem.line}: ${problem.reason}`).join('; ');
    throw new CallerError(
      'bad_data',
      `${path} has ${bad} bad rows of ${line} (${list}${bad > shown.length ? '; …' : ''}). Correct them, or ask for bad rows to be skipped.`,
      { param: path },
    );
  }
}

type ParsedRow<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly reason: string };

function parseRow<T>(bytes: Buffer | null, schema: z.ZodType<T>): ParsedRow<T> {
  if (bytes === null) return { ok: false, reason: `longer than ${MAX_LINE_BYTES} bytes` };
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return { ok: false, reason: 'not valid UTF-8' };
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's own message quotes the row, which may be a person's words.
    return { ok: false, reason: 'not valid JSON' };
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return { ok: true, value: parsed.data };
  const issue = parsed.error.issues[0];
  return { ok: false, reason: `${issue?.path.join('.') || 'row'}: ${issue?.message ?? 'wrong form'}` };
}

/** Lines without their ends; null for a line that is too long to keep. */
async function* readLines(path: string): AsyncGenerator<Buffer | null, void, undefined> {
  const file = createReadStream(path);
  // The callback keeps a failure of either stream from being thrown a second time, unhandled.
  const stream: AsyncIterable<Buffer> = path.endsWith('.gz')
    ? pipeline(file, createGunzip(), () => {})
    : file;
  let held: Buffer[] = [];
  let heldBytes = 0;
  const take = (rest: Buffer): Buffer | null => {
    const length = heldBytes + rest.length;
    const line = length > MAX_LINE_BYTES ? null : Buffer.concat([...held, rest]);
    held = [];
    heldBytes = 0;
    return line?.at(-1) === 0x0d ? line.subarray(0, -1) : line;
  };
  try {
    for await (const chunk of stream) {
      let from = 0;
      for (let at = chunk.indexOf(NEWLINE); at !== -1; at = chunk.indexOf(NEWLINE, from)) {
        yield take(chunk.subarray(from, at));
        from = at + 1;
      }
      const rest = chunk.subarray(from);
      // Of an overlong line only the length is kept.
      if (heldBytes <= MAX_LINE_BYTES) held.push(rest);
      heldBytes += rest.length;
    }
  } catch (cause) {
    throw new CallerError(
      'unreadable_data',
      `${path} cannot be read: it is missing, cut short or not what its name says.`,
      {
        param: path,
        cause,
      },
    );
  } finally {
    file.destroy();
  }
  if (heldBytes > 0) yield take(Buffer.alloc(0));
}
