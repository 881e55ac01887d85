import type { Params, ReferenceBindings } from '../kernel.ts';
import { pick } from '../pick.ts';

/**
 * Stores each token's key and value in its sequence's page. k, v [T, width]; page_table [rows, max_pages];
 * sequences [T] names the row of the table, positions [T] the place; k_pages, v_pages [pages, page_size, width].
 */
export function kvWriteReference(bindings: ReferenceBindings, params: Params): void {
  const { k, v, page_table, sequences, positions, k_pages, v_pages } = pick(
    bindings,
    'k',
    'v',
    'page_table',
    'sequences',
    'positions',
    'k_pages',
    'v_pages',
  );
  const { T, width, page_size, max_pages } = pick(params, 'T', 'width', 'page_size', 'max_pages');
  for (let t = 0; t < T; t++) {
    const position = positions[t]!;
    const page = page_table[sequences[t]! * max_pages + Math.floor(position / page_size)]!;
    const slot = page * page_size + (position % page_size);
    for (let i = 0; i < width; i++) {
      k_pages[slot * width + i] = k[t * width + i]!;
      v_pages[slot * width + i] = v[t * width + i]!;
    }
  }
}
