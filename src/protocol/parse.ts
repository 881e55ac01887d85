/** From a zod result to our error: one 400 that names the first offending field and lists the further ones. */
import type { z } from 'zod';
import { CallerError } from '../base/errors.ts';

const issuesShown = 4;

/** Validates outside input. `what` names it for the caller, e.g. "request body". */
export function parseWith<Schema extends z.ZodType>(
  schema: Schema,
  input: unknown,
  what: string,
): z.output<Schema> {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => ({ path: formatPath(issue.path), issue }));
  const shown = problems
    .slice(0, issuesShown)
    .map(({ path, issue }) => (path === '' ? issue.message : `${path}: ${issue.message}`));
  const more = problems.length > issuesShown ? ` (and ${problems.length - issuesShown} more)` : '';
  const param = problems[0]?.path ?? '';
  throw new CallerError(
    'invalid_request',
    `The ${what} is not valid. ${shown.join('; ')}${more}.`,
    param === '' ? {} : { param },
  );
}

/** JSON text to a value; a syntax error becomes a 400 that quotes nothing of the text. */
export function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new CallerError('invalid_json', `The ${what} is not valid JSON.`);
  }
}

function formatPath(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, key) => {
    if (typeof key === 'number') return `${text}[${key}]`;
    return text === '' ? String(key) : `${text}.${String(key)}`;
  }, '');
}
