import { InternalError } from './errors.ts';

/** Throws when an assumption of our own code is broken: a bug, never a caller's mistake. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InternalError('invariant', message);
}
