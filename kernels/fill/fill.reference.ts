import type { Params, ReferenceBindings } from '../kernel.ts';
import { pick } from '../pick.ts';

/** y[n] = value. */
export function fillReference(bindings: ReferenceBindings, params: Params): void {
  const { y } = pick(bindings, 'y');
  const { n, value } = pick(params, 'n', 'value');
  y.fill(value, 0, n);
}
