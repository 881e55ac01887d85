import { NONE, type Params, type ReferenceBindings } from '../kernel.ts';
import { pick } from '../pick.ts';

/** y[t] += Σ_k weights[t, k] · scales[slot] · B[slot] h[t, k], slot = slots[t, k]. h [T, K, R]; b [S, M, R]; scales [S]; y [T, M]. */
export function expertExpandReference(bindings: ReferenceBindings, params: Params): void {
  const { h, b, slots, weights, scales, y } = pick(bindings, 'h', 'b', 'slots', 'weights', 'scales', 'y');
  const { T, K, R, M } = pick(params, 'T', 'K', 'R', 'M');
  for (let t = 0; t < T; t++) {
    for (let m = 0; m < M; m++) {
      let sum = 0;
      for (let k = 0; k < K; k++) {
        const slot = slots[t * K + k]!;
        if (slot === NONE) continue;
        let dot = 0;
        for (let r = 0; r < R; r++) dot += b[(slot * M + m) * R + r]! * h[(t * K + k) * R + r]!;
        sum += weights[t * K + k]! * scales[slot]! * dot;
      }
      y[t * M + m]! += sum;
    }
  }
}
