import type { Params, ReferenceBindings } from '../kernel.ts';
import { pick } from '../pick.ts';

/** y [T, M] = (x / sqrt(mean(x²) + epsilon) · norm) wᵀ. x [T, N], norm [N], w [M, N]. */
export function normLinearReference(bindings: ReferenceBindings, params: Params): void {
  const { x, norm, w, y } = pick(bindings, 'x', 'norm', 'w', 'y');
  const { T, N, M, epsilon } = pick(params, 'T', 'N', 'M', 'epsilon');
  for (let t = 0; t < T; t++) {
    let squares = 0;
    for (let n = 0; n < N; n++) squares += x[t * N + n]! ** 2;
    const inverse = 1 / Math.sqrt(squares / N + epsilon);
    for (let m = 0; m < M; m++) {
      let sum = 0;
      for (let n = 0; n < N; n++) sum += x[t * N + n]! * inverse * norm[n]! * w[m * N + n]!;
      y[t * M + m] = sum;
    }
  }
}
