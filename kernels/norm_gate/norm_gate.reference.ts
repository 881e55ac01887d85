import { expertGateReference } from '../expert_gate/expert_gate.reference.ts';
import type { Params, ReferenceBindings } from '../kernel.ts';
import { pick } from '../pick.ts';
import { rmsNormReference } from '../rms_norm/rms_norm.reference.ts';

/** `rms_norm` of x into y, then `expert_gate` of y, of which slots and weights are kept. */
export function normGateReference(bindings: ReferenceBindings, params: Params): void {
  const { x, norm, y } = pick(bindings, 'x', 'norm', 'y');
  const { T, C, K, max_experts, epsilon } = pick(params, 'T', 'C', 'K', 'max_experts', 'epsilon');
  rmsNormReference({ x, weight: norm, y, inverse_rms: new Float64Array(T) }, { rows: T, C, epsilon });
  const unwanted = { logits: new Float64Array(T * max_experts), chosen: new Uint32Array(T * K) };
  expertGateReference({ ...bindings, ...unwanted, x: y }, { T, C, K, max_experts });
}
