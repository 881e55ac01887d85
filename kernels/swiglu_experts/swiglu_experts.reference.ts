import { NONE, type Params, type ReferenceBindings } from '../kernel.ts';
import { pick } from '../pick.ts';

/** x [T, N]; w [2, M, N]; h [T, K, 2, R]; b [S, 2, M, R]; slots, weights [T, K]; scales [S]; y [T, M]. */
export function swigluExpertsReference(bindings: ReferenceBindings, params: Params): void {
  const { x, w, h, b, slots, weights, scales, y } = pick(
    bindings,
    'x',
    'w',
    'h',
    'b',
    'slots',
    'weights',
    'scales',
    'y',
  );
  const { T, N, M, K, R } = pick(params, 'T', 'N', 'M', 'K', 'R');
  const adapted = (t: number, m: number, half: 0 | 1): number => {
    let sum = 0;
    for (let n = 0; n < N; n++) sum += x[t * N + n]! * w[(half * M + m) * N + n]!;
    for (let k = 0; k < K; k++) {
      const slot = slots[t * K + k]!;
      if (slot === NONE) continue;
      let dot = 0;
      for (let r = 0; r < R; r++) {
        dot += b[((slot * 2 + half) * M + m) * R + r]! * h[((t * K + k) * 2 + half) * R + r]!;
      }
      sum += weights[t * K + k]! * scales[slot]! * dot;
    }
    return sum;
  };
  for (let t = 0; t < T; t++) {
    for (let m = 0; m < M; m++) {
      const gate = adapted(t, m, 0);
      y[t * M + m] = (gate / (1 + Math.exp(-gate))) * adapted(t, m, 1);
    }
  }
}
