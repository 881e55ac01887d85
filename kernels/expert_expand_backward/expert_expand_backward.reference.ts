import { NONE, type Params, type ReferenceBindings } from '../kernel.ts';
import { pick } from '../pick.ts';

/**
 * Backward of expert_expand into h and the weights: with u = B[slot]ᵀ dy[t], dh[t, k] = weight · scale · u (0 for NONE) and
 * dweights[t, k] += scale · h[t, k] · u. Shapes as in expert_expand; dy [T, M], dh [T, K, R], dweights [T, K].
 */
export function expertExpandBackwardReference(bindings: ReferenceBindings, params: Params): void {
  const { h, b, slots, weights, scales, dy, dh, dweights } = pick(
    bindings,
    'h',
    'b',
    'slots',
    'weights',
    'scales',
    'dy',
    'dh',
    'dweights',
  );
  const { T, K, R, M } = pick(params, 'T', 'K', 'R', 'M');
  for (let place = 0; place < T * K; place++) {
    const slot = slots[place]!;
    const t = Math.floor(place / K);
    let dWeight = 0;
    for (let r = 0; r < R; r++) {
      let u = 0;
      if (slot !== NONE) {
        for (let m = 0; m < M; m++) u += b[(slot * M + m) * R + r]! * dy[t * M + m]!;
        u *= scales[slot]!;
      }
      dh[place * R + r] = weights[place]! * u;
      dWeight += h[place * R + r]! * u;
    }
    dweights[place]! += dWeight;
  }
}
