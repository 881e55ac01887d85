import type { Params, ReferenceBindings } from '../kernel.ts';
import { pick } from '../pick.ts';

/** y = silu(gate) · up, silu(x) = x · sigmoid(x) (Shazeer 2020). All [n]. */
export function swigluReference(bindings: ReferenceBindings, params: Params): void {
  const { gate, up, y } = pick(bindings, 'gate', 'up', 'y');
  const { n } = pick(params, 'n');
  for (let i = 0; i < n; i++) y[i] = (gate[i]! / (1 + Math.exp(-gate[i]!))) * up[i]!;
}
