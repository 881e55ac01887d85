/**
 * What is wrong with data that came from outside, and a list of it that cannot grow without limit: the first problems in
 * full, all of them counted by reason. A problem names file, line, id and reason, never the text itself.
 */

export interface DataProblem {
  readonly file: string;
  /** From 1; null where a file has no lines, or the whole of it is meant. */
  readonly line: number | null;
  /** Of the row, where it has one. */
  readonly id: string | null;
  readonly reason: string;
}

export interface ProblemList {
  add(problem: DataProblem): void;
  /** All that were added. */
  readonly count: number;
  /** The first of them. */
  readonly shown: readonly DataProblem[];
  readonly countByReason: ReadonlyMap<string, number>;
}

const PROBLEMS_SHOWN = 20;
/** A reason may name a value; those beyond this many are counted together. */
const MAX_REASONS = 100;
const MAX_REASON_LENGTH = 300;
const MAX_ID_LENGTH = 80;
const OTHER_REASONS = 'other reasons';

export function createProblemList(limit = PROBLEMS_SHOWN): ProblemList {
  const shown: DataProblem[] = [];
  const countByReason = new Map<string, number>();
  let count = 0;
  return {
    add(problem) {
      const reason = problem.reason.slice(0, MAX_REASON_LENGTH);
      const id = problem.id?.slice(0, MAX_ID_LENGTH) ?? null;
      count += 1;
      if (shown.length < limit) shown.push({ ...problem, id, reason });
      const key = countByReason.has(reason) || countByReason.size < MAX_REASONS ? reason : OTHER_REASONS;
      countByReason.set(key, (countByReason.get(key) ?? 0) + 1);
    },
    get count() {
      return count;
    },
    shown,
    countByReason,
  };
}

/** The list in lines for a person: the first problems, then how many there are of each kind, then the sum. */
export function describeProblems(problems: ProblemList): string {
  const lines = problems.shown.map(({ file, line, id, reason }) => {
    const place = line === null ? file : `${file}:${line}`;
    return id === null ? `${place}: ${reason}` : `${place} (${id}): ${reason}`;
  });
  const hidden = problems.count - problems.shown.length;
  if (hidden > 0) lines.push(`… and ${hidden} more`);
  const byCount = [...problems.countByReason].sort(([, left], [, right]) => right - left);
  for (const [reason, count] of byCount) lines.push(`${String(count).padStart(7)} × ${reason}`);
  lines.push(`${problems.count} ${problems.count === 1 ? 'problem' : 'problems'}`);
  return lines.join('\n');
}
