import { NONE, type Params, type ReferenceBindings } from '../kernel.ts';
import { pick } from '../pick.ts';

/** h[t, k] = A[slots[t, k]] x[t], 0 where the slot is NONE. x [T, N]; a [S, R, N]; slots [T, K]; h [T, K, R]. */
export function expertShrinkReference(bindings: ReferenceBindings, params: Params): void {
  const { x, a, slots, h } = pick(bindings, 'x', 'a', 'slots', 'h');
  const { T, K, R, N } = pick(params, 'T', 'K', 'R', 'N');
  for (let place = 0; place < T * K; place++) {
    const slot = slots[place]!;
    const t = Math.floor(place / K);
    for (let r = 0; r < R; r++) {
      let sum = 0;
      if (slot !== NONE) {
        for (let n = 0; n < N; n++) sum += a[(slot * R + r) * N + n]! * x[t * N + n]!;
      }
      h[place * R + r] = sum;
    }
  }
}
