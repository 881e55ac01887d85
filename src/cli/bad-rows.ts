/** The flag `--skip-bad-rows` of training commands: without it bad rows stop a run before it starts. */
import { createProblemList, describeProblems, type DataProblem } from '../base/data-problem.ts';

export const SKIP_BAD_ROWS = '--skip-bad-rows';

export interface BadRows {
  /** For the run's request. */
  readonly request: { readonly onBadRow?: (problem: DataProblem) => void };
  /** What was left out, by `tell`, if anything was. */
  report(tell: (line: string) => void): void;
}

export function badRows(skip: boolean | undefined): BadRows {
  const problems = createProblemList();
  return {
    request: skip === true ? { onBadRow: (problem) => problems.add(problem) } : {},
    report: (tell) => {
      if (problems.count > 0) tell(`Left out:\n${describeProblems(problems)}`);
    },
  };
}
