import type { Params, ReferenceBindings } from '../kernel.ts';
import { pick } from '../pick.ts';

/** partial[i] = Σ x² over the i-th chunk of ceil(n / parts) elements; chunks past the end give 0. x [n], partial [parts]. */
export function sumSquaresReference(bindings: ReferenceBindings, params: Params): void {
  const { x, partial } = pick(bindings, 'x', 'partial');
  const { n, parts } = pick(params, 'n', 'parts');
  const chunk = Math.ceil(n / parts);
  for (let part = 0; part < parts; part++) {
    let sum = 0;
    for (let i = part * chunk; i < Math.min((part + 1) * chunk, n); i++) sum += x[i]! ** 2;
    partial[part] = sum;
  }
}
