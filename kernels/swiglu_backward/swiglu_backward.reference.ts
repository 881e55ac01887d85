import type { Params, ReferenceBindings } from '../kernel.ts';
import { pick } from '../pick.ts';

/** dgate = dy · up · silu′(gate), dup = dy · silu(gate), both overwritten. All [n]. */
export function swigluBackwardReference(bindings: ReferenceBindings, params: Params): void {
  const { gate, up, dy, dgate, dup } = pick(bindings, 'gate', 'up', 'dy', 'dgate', 'dup');
  const { n } = pick(params, 'n');
  for (let i = 0; i < n; i++) {
    const g = gate[i]!;
    const sigmoid = 1 / (1 + Math.exp(-g));
    dgate[i] = dy[i]! * up[i]! * sigmoid * (1 + g * (1 - sigmoid));
    dup[i] = dy[i]! * g * sigmoid;
  }
}
