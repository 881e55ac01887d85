/** The report of a comparison of training rows with evaluation sets, as data and as Markdown. */
import { MATCH_KINDS, type Match, type MatchKind } from './contamination.ts';

export interface FoundMatch extends Match {
  /** Of the training row. */
  readonly row: string;
  readonly source: string;
  readonly file: string;
}

export interface DedupeReport {
  /** Questions compared with, by set. */
  readonly evaluation: Readonly<Record<string, number>>;
  readonly rowsCompared: number;
  readonly rowsMatched: number;
  readonly bySource: Readonly<Record<string, Readonly<Record<MatchKind, number>>>>;
  readonly bySet: Readonly<Record<string, number>>;
  /** The first of them; ids only, never text. */
  readonly matches: readonly FoundMatch[];
}

const MATCHES_KEPT = 100_000;
const MATCHES_SHOWN = 50;

export interface DedupeLog {
  compared(): void;
  matched(match: FoundMatch): void;
  finish(evaluation: Readonly<Record<string, number>>): DedupeReport;
}

export function createDedupeLog(): DedupeLog {
  let [rowsCompared, rowsMatched] = [0, 0];
  const bySource: Record<string, Record<MatchKind, number>> = {};
  const bySet: Record<string, number> = {};
  const matches: FoundMatch[] = [];
  return {
    compared: () => {
      rowsCompared += 1;
    },
    matched(match) {
      rowsMatched += 1;
      const counts = (bySource[match.source] ??= {
        'same question': 0,
        'stem contained': 0,
        'near duplicate': 0,
      });
      counts[match.kind] += 1;
      bySet[match.set] = (bySet[match.set] ?? 0) + 1;
      if (matches.length < MATCHES_KEPT) matches.push(match);
    },
    finish: (evaluation) => ({ evaluation, rowsCompared, rowsMatched, bySource, bySet, matches }),
  };
}

export function renderDedupe(report: DedupeReport): string {
  const sets = Object.entries(report.evaluation).map(([set, count]) => `${set} (${count})`);
  const lines = [
    `${report.rowsCompared} rows compared with ${sets.join(', ') || 'no evaluation set'}: ` +
      `${report.rowsMatched} give away an evaluation question.`,
    '',
  ];
  if (report.rowsMatched === 0) return lines.join('\n');
  lines.push(`| source | ${MATCH_KINDS.join(' | ')} |`, `| --- |${' ---: |'.repeat(MATCH_KINDS.length)}`);
  for (const [source, counts] of Object.entries(report.bySource)) {
    lines.push(`| ${source} | ${MATCH_KINDS.map((kind) => counts[kind]).join(' | ')} |`);
  }
  const bySet = Object.entries(report.bySet).map(([set, count]) => `${set} ${count}`);
  lines.push('', `By set: ${bySet.join(', ')}.`, '', '| row | file | evaluation question | how |');
  lines.push('| --- | --- | --- | --- |');
  for (const { row, file, set, id, kind, similarity } of report.matches.slice(0, MATCHES_SHOWN)) {
    const how = similarity === undefined ? kind : `${kind} (${similarity.toFixed(2)})`;
    lines.push(`| ${row} | ${file} | ${set} ${id} | ${how} |`);
  }
  const hidden = report.rowsMatched - Math.min(report.matches.length, MATCHES_SHOWN);
  if (hidden > 0) lines.push('', `… and ${hidden} more.`);
  return `${lines.join('\n')}\n`;
}
