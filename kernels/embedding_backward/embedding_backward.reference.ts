import type { Params, ReferenceBindings } from '../kernel.ts';
import { pick } from '../pick.ts';

/** dtable[ids[t]] += dy[t]; a token that occurs twice adds twice. ids [T], dy [T, C], dtable [V, C]. */
export function embeddingBackwardReference(bindings: ReferenceBindings, params: Params): void {
  const { ids, dy, dtable } = pick(bindings, 'ids', 'dy', 'dtable');
  const { T, C } = pick(params, 'T', 'C');
  for (let t = 0; t < T; t++) {
    const row = ids[t]! * C;
    for (let c = 0; c < C; c++) dtable[row + c]! += dy[t * C + c]!;
  }
}
