/**
 * How the products of serving are cut into workgroups on a GPU: TOKENS rows of x by ROWS rows of w each, all lanes sharing
 * the sum over the inputs. Every choice sums in the same order, so that a token's result does not depend on how many come
 * with it.
 */
import { workgroups, type Workgroups } from './workgroups.ts';

/** Constants of the shader. */
type RowTile = Readonly<Record<'TOKENS' | 'ROWS', number>>;

/** Few tokens are bound by reading w: small tiles keep many workgroups in flight. Many reuse what they have read. */
const one = { TOKENS: 1, ROWS: 4 };
const few = { TOKENS: 4, ROWS: 4 };
const some = { TOKENS: 8, ROWS: 4 };
const many = { TOKENS: 8, ROWS: 8 };

export const rowTileChoices: readonly RowTile[] = [one, few, some, many];

export function rowTile(tokens: number): RowTile {
  if (tokens <= 1) return one;
  if (tokens <= 4) return few;
  return tokens <= 16 ? some : many;
}

export function rowTileWorkgroups(tokens: number, rows: number): Workgroups {
  const { TOKENS, ROWS } = rowTile(tokens);
  return workgroups(Math.ceil(tokens / TOKENS) * Math.ceil(rows / ROWS));
}
