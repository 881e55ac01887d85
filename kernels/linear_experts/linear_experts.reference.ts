import { expertExpandReference } from '../expert_expand/expert_expand.reference.ts';
import type { Params, ReferenceBindings } from '../kernel.ts';
import { matmulReference } from '../matmul/matmul.reference.ts';
import { pick } from '../pick.ts';

/** `matmul` x wᵀ added to y, then `expert_expand`. */
export function linearExpertsReference(bindings: ReferenceBindings, params: Params): void {
  const { x, w, y } = pick(bindings, 'x', 'w', 'y');
  const { T, N, M, K, R } = pick(params, 'T', 'N', 'M', 'K', 'R');
  const layout = { a_transposed: 0, b_transposed: 1, accumulate: 1 };
  matmulReference({ a: x, b: w, c: y }, { M: T, N: M, K: N, ...layout });
  expertExpandReference(bindings, { T, K, R, M });
}
