/**
 * What the router learns from: labelled first turns, as a person would type them. No specialty and no source of one may
 * crowd out the others; which rows stay is decided by a hash of the id, so that more data does not reshuffle all.
 */
import { hashShare } from './dedupe/normalise.ts';
import type { FinishedRow } from './finish-row.ts';
import type { Source } from './sources/source.ts';

const MAX_CHARACTERS = 300;
const MAX_PER_SPECIALTY = 3000;
const MAX_PER_SOURCE = 900;

interface RouterRow {
  readonly id: string;
  readonly source: string;
  readonly license: string;
  readonly text: string;
  readonly specialty: string;
  readonly specialty_src: 'gold' | 'weak' | null;
}

export interface RouterRows {
  offer(row: FinishedRow, query: string, source: Source): void;
  finish(): RouterRow[];
}

export function createRouterRows(): RouterRows {
  /** By specialty and source, those with the smallest hashes. */
  const kept = new Map<string, { readonly rank: number; readonly row: RouterRow }[]>();
  return {
    offer({ id, specialty, specialtySource }, query, source) {
      if (specialty === null) return;
      const { id: sourceId, license } = source;
      const key = `${specialty}\n${sourceId}`;
      const rows = kept.get(key) ?? [];
      kept.set(key, rows);
      const text = query.slice(0, MAX_CHARACTERS).toWellFormed();
      const row = {
        id: `r-${id}`,
        source: sourceId,
        license,
        text,
        specialty,
        specialty_src: specialtySource,
      };
      rows.push({ rank: hashShare(`router:${id}`), row });
      if (rows.length >= 2 * MAX_PER_SOURCE) cut(rows, MAX_PER_SOURCE);
    },
    finish() {
      const bySpecialty = new Map<string, { readonly rank: number; readonly row: RouterRow }[]>();
      for (const [key, rows] of kept) {
        cut(rows, MAX_PER_SOURCE);
        const specialty = key.split('\n')[0] ?? '';
        bySpecialty.set(specialty, [...(bySpecialty.get(specialty) ?? []), ...rows]);
      }
      const all = [...bySpecialty.values()].flatMap((rows) => {
        cut(rows, MAX_PER_SPECIALTY);
        return rows;
      });
      cut(all, all.length);
      return all.map(({ row }) => row);
    },
  };
}

/** Keeps those with the smallest hashes. */
function cut(rows: { readonly rank: number }[], limit: number): void {
  rows.sort((left, right) => left.rank - right.rank);
  rows.length = Math.min(rows.length, limit);
}
