/** How often, and how soon, a process that ended is started again: a few times in a while, ever later. */

const MOST = 5;
const WITHIN_MS = 600_000;
const FIRST_MS = 500;

export interface RestartPolicy {
  /** Milliseconds to wait before the next start; null when it has ended too often. `now` never goes back. */
  next(now: number): number | null;
}

export function createRestartPolicy(): RestartPolicy {
  let starts: number[] = [];
  return {
    next(now) {
      starts = starts.filter((at) => now - at < WITHIN_MS);
      if (starts.length === MOST) return null;
      starts.push(now);
      return FIRST_MS * 2 ** (starts.length - 1);
    },
  };
}
