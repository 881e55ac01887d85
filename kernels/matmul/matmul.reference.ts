import type { Params, ReferenceBindings } from '../kernel.ts';
import { pick } from '../pick.ts';

/**
 * c [M, N] = op(a) op(b), added to c where `accumulate` is 1.
 * a is [M, K], or [K, M] where `a_transposed` is 1; b is [K, N], or [N, K] (the weight of a Linear) where `b_transposed` is 1.
 */
export function matmulReference(bindings: ReferenceBindings, params: Params): void {
  const { a, b, c } = pick(bindings, 'a', 'b', 'c');
  const { M, N, K, a_transposed, b_transposed, accumulate } = pick(
    params,
    'M',
    'N',
    'K',
    'a_transposed',
    'b_transposed',
    'accumulate',
  );
  for (let m = 0; m < M; m++) {
    for (let n = 0; n < N; n++) {
      let sum = 0;
      for (let k = 0; k < K; k++) {
        const left = a_transposed ? a[k * M + m]! : a[m * K + k]!;
        const right = b_transposed ? b[n * K + k]! : b[k * N + n]!;
        sum += left * right;
      }
      c[m * N + n] = accumulate ? c[m * N + n]! + sum : sum;
    }
  }
}
