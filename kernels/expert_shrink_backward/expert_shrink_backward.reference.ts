import { NONE, type Params, type ReferenceBindings } from '../kernel.ts';
import { pick } from '../pick.ts';

/** dx[t] += Σ_k A[slots[t, k]]ᵀ dh[t, k]. dh [T, K, R]; a [S, R, N]; slots [T, K]; dx [T, N]. */
export function expertShrinkBackwardReference(bindings: ReferenceBindings, params: Params): void {
  const { dh, a, slots, dx } = pick(bindings, 'dh', 'a', 'slots', 'dx');
  const { T, K, R, N } = pick(params, 'T', 'K', 'R', 'N');
  for (let t = 0; t < T; t++) {
    for (let n = 0; n < N; n++) {
      let sum = 0;
      for (let k = 0; k < K; k++) {
        const slot = slots[t * K + k]!;
        if (slot === NONE) continue;
        for (let r = 0; r < R; r++) sum += a[(slot * R + r) * N + n]! * dh[(t * K + k) * R + r]!;
      }
      dx[t * N + n]! += sum;
    }
  }
}
