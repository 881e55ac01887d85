import { NONE, type Params, type ReferenceBindings } from '../kernel.ts';
import { pick } from '../pick.ts';

/** y[m] = x[index[m]], NONE where index[m] is NONE. x [N], index, y [M]. */
export function gatherReference(bindings: ReferenceBindings, params: Params): void {
  const { x, index, y } = pick(bindings, 'x', 'index', 'y');
  const { M } = pick(params, 'M');
  for (let m = 0; m < M; m++) y[m] = index[m] === NONE ? NONE : x[index[m]!]!;
}
