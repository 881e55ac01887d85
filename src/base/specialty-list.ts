/** The labels in use, from the text of a `specialties.json`: they are data, not code. */
import * as z from 'zod';
import { CallerError } from './errors.ts';

const schema = z.object({ specialties: z.record(z.string().regex(/^[a-z][a-z0-9_]{0,63}$/), z.string()) });

/** `path` is for the message alone. */
export function parseSpecialties(text: string, path: string): ReadonlySet<string> {
  try {
    return new Set(Object.keys(schema.parse(JSON.parse(text)).specialties));
  } catch (cause) {
    const message = `${path} is not a list of specialties: {"specialties": {"label": "name", …}}.`;
    throw new CallerError('bad_specialties', message, { param: path, cause });
  }
}
