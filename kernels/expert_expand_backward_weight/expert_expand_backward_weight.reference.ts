import { NONE, type Params, type ReferenceBindings } from '../kernel.ts';
import { pick } from '../pick.ts';

/** db[s] += Σ weight · scale · dy[t] h[t, k]ᵀ over the places (t, k) that hold slot s. db [S, M, R]; other shapes as in expert_expand. */
export function expertExpandBackwardWeightReference(bindings: ReferenceBindings, params: Params): void {
  const { h, slots, weights, scales, dy, db } = pick(bindings, 'h', 'slots', 'weights', 'scales', 'dy', 'db');
  const { T, K, R, M, S } = pick(params, 'T', 'K', 'R', 'M', 'S');
  const sum = new Float64Array(S * M * R);
  for (let place = 0; place < T * K; place++) {
    const slot = slots[place]!;
    const t = Math.floor(place / K);
    if (slot === NONE) continue;
    const factor = weights[place]! * scales[slot]!;
    for (let m = 0; m < M; m++) {
      for (let r = 0; r < R; r++) sum[(slot * M + m) * R + r]! += factor * dy[t * M + m]! * h[place * R + r]!;
    }
  }
  for (let i = 0; i < S * M * R; i++) db[i]! += sum[i]!;
}
