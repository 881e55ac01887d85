import type { Params, ReferenceBindings } from '../kernel.ts';
import { pick } from '../pick.ts';

/** y[t] = table[ids[t]]; ids [T], table [V, C], y [T, C]. */
export function embeddingReference(bindings: ReferenceBindings, params: Params): void {
  const { ids, table, y } = pick(bindings, 'ids', 'table', 'y');
  const { T, C } = pick(params, 'T', 'C');
  for (let t = 0; t < T; t++) {
    const row = ids[t]! * C;
    for (let c = 0; c < C; c++) y[t * C + c] = table[row + c]!;
  }
}
