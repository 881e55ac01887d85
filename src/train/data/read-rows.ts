/** Streams the rows of a JSON Lines file, gzipped or not, and checks each. */
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import * as z from 'zod';
import {
  createProblemList,
  describeProblems,
  type DataProblem,
  type ProblemList,
} from '../../base/data-problem.ts';
import { CallerError } from '../../base/errors.ts';

export interface ReadOptions {
  /**
   * Called for each bad row, which is then left out. Without it a bad row is an error: the file is read to its end, so
   * that the error can say how many there are, but no row after the first bad one is handed out.
   */
  readonly onBadRow?: (problem: DataProblem) => void;
  /** What else is wrong with a row of the right form, or null. */
  readonly check?: (row: unknown) => string | null;
}

const MAX_LINE_BYTES = 4 * 2 ** 20;
const NEWLINE = 0x0a;

export async function* readRows<T>(
  path: string,
  schema: z.ZodType<T>,
  options: ReadOptions = {},
): AsyncGenerator<T, void, undefined> {
  const problems = createProblemList();
  let line = 0;
  for await (const bytes of readLines(path)) {
    line += 1;
    if (bytes !== null && bytes.length === 0) continue;
    const row = parseRow(bytes, schema, options.check);
    if (row.ok) {
      if (problems.count === 0 || options.onBadRow !== undefined) yield row.value;
      continue;
    }
    const problem = { file: path, line, id: row.id, reason: row.reason };
    problems.add(problem);
    options.onBadRow?.(problem);
  }
  if (problems.count > 0 && options.onBadRow === undefined) throw badData(problems, path);
}

/** The error that says which rows are bad, of one file or of several. */
export function badData(problems: ProblemList, param: string): CallerError {
  const message = `There are bad rows: correct them, or ask for them to be left out (--skip-bad-rows).\n${describeProblems(problems)}`;
  return new CallerError('bad_data', message, { param });
}

/**
 * Checks across rows: an id may occur once, and a specialty must be one of those in use, where a list of them is given. One
 * check serves all files whose rows are used together.
 */
export function createRowCheck(specialties: ReadonlySet<string> | null): (row: unknown) => string | null {
  const seen = new Set<string>();
  return (row) => {
    const { id, specialty } = identitySchema.parse(row);
    if (specialty !== null && specialties !== null && !specialties.has(specialty))
      return 'specialty: unknown';
    if (seen.has(id)) return 'id: duplicate';
    seen.add(id);
    return null;
  };
}

const identitySchema = z.object({ id: z.string(), specialty: z.string().nullable().default(null) });
/** For the report of a row that is otherwise bad. */
const idSchema = z.object({ id: z.string() });

type ParsedRow<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly id: string | null; readonly reason: string };

function parseRow<T>(bytes: Buffer | null, schema: z.ZodType<T>, check: ReadOptions['check']): ParsedRow<T> {
  if (bytes === null) return { ok: false, id: null, reason: `longer than ${MAX_LINE_BYTES} bytes` };
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return { ok: false, id: null, reason: 'not valid UTF-8' };
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's own message quotes the row, which may be a person's words.
    return { ok: false, id: null, reason: 'not valid JSON' };
  }
  const parsed = schema.safeParse(value);
  const issue = parsed.error?.issues[0];
  const wrong = issue === undefined ? null : `${issue.path.join('.') || 'row'}: ${issue.message}`;
  const reason = parsed.success ? (check?.(parsed.data) ?? null) : (wrong ?? 'wrong form');
  if (parsed.success && reason === null) return { ok: true, value: parsed.data };
  return { ok: false, id: idSchema.safeParse(value).data?.id ?? null, reason: reason ?? 'wrong form' };
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
