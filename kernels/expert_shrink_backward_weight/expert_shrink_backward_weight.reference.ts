import { NONE, type Params, type ReferenceBindings } from '../kernel.ts';
import { pick } from '../pick.ts';

/** da[s] += Σ dh[t, k] x[t]ᵀ over the places (t, k) that hold slot s. dh [T, K, R]; x [T, N]; slots [T, K]; da [S, R, N]. */
export function expertShrinkBackwardWeightReference(bindings: ReferenceBindings, params: Params): void {
  const { dh, x, slots, da } = pick(bindings, 'dh', 'x', 'slots', 'da');
  const { T, K, R, N, S } = pick(params, 'T', 'K', 'R', 'N', 'S');
  const sum = new Float64Array(S * R * N);
  for (let place = 0; place < T * K; place++) {
    const slot = slots[place]!;
    const t = Math.floor(place / K);
    if (slot === NONE) continue;
    for (let r = 0; r < R; r++) {
      for (let n = 0; n < N; n++) sum[(slot * R + r) * N + n]! += dh[place * R + r]! * x[t * N + n]!;
    }
  }
  for (let i = 0; i < S * R * N; i++) da[i]! += sum[i]!;
}
