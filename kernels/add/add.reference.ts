import type { Params, ReferenceBindings } from '../kernel.ts';
import { pick } from '../pick.ts';

/** y[n] += x[n]. */
export function addReference(bindings: ReferenceBindings, params: Params): void {
  const { x, y } = pick(bindings, 'x', 'y');
  const { n } = pick(params, 'n');
  for (let i = 0; i < n; i++) y[i]! += x[i]!;
}
