import type { Params, ReferenceBindings } from '../kernel.ts';
import { pick } from '../pick.ts';
import { softmaxInPlace } from '../softmax.ts';

/**
 * Causal grouped-query attention over B packed rows of T tokens: token t of a row attends to tokens starts[t]..t of that
 * row, so that several documents can share it. log_sum_exp [B, H, T] of the scaled scores is kept for the backward pass.
 * q, o [B, T, H, D]; k, v [B, T, KV, D]; starts [B, T], counted within the row, starts[t] ≤ t.
 */
export function attentionTrainReference(bindings: ReferenceBindings, params: Params): void {
  const { q, k, v, starts, o, log_sum_exp } = pick(bindings, 'q', 'k', 'v', 'starts', 'o', 'log_sum_exp');
  const { B, T, H, KV, D } = pick(params, 'B', 'T', 'H', 'KV', 'D');
  for (let b = 0; b < B; b++) {
    for (let h = 0; h < H; h++) {
      const head = Math.floor((h * KV) / H);
      for (let t = 0; t < T; t++) {
        const start = starts[b * T + t]!;
        const query = ((b * T + t) * H + h) * D;
        const scores = new Float64Array(t + 1 - start);
        for (let p = start; p <= t; p++) {
          const key = ((b * T + p) * KV + head) * D;
          let dot = 0;
          for (let d = 0; d < D; d++) dot += q[query + d]! * k[key + d]!;
          scores[p - start] = dot / Math.sqrt(D);
        }
        log_sum_exp[(b * H + h) * T + t] = softmaxInPlace(scores);
        for (let d = 0; d < D; d++) {
          let sum = 0;
          for (let p = start; p <= t; p++) sum += scores[p - start]! * v[((b * T + p) * KV + head) * D + d]!;
          o[query + d] = sum;
        }
      }
    }
  }
}
