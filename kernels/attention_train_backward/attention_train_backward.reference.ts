import type { Params, ReferenceBindings } from '../kernel.ts';
import { pick } from '../pick.ts';

/**
 * Backward of attention_train, which it follows in shapes: with p = exp(score − log_sum_exp) and D_t = o_t · do_t,
 * dv_p += p · do_t and dscore = p · (do_t · v_p − D_t) (Dao 2022, appendix B.2). dq, dk, dv are overwritten.
 */
export function attentionTrainBackwardReference(bindings: ReferenceBindings, params: Params): void {
  const { q, k, v, starts, o, d_o, log_sum_exp, dq, dk, dv } = pick(
    bindings,
    'q',
    'k',
    'v',
    'starts',
    'o',
    'd_o',
    'log_sum_exp',
    'dq',
    'dk',
    'dv',
  );
  const { B, T, H, KV, D } = pick(params, 'B', 'T', 'H', 'KV', 'D');
  const scale = 1 / Math.sqrt(D);
  const dqSum = new Float64Array(B * T * H * D);
  const dkSum = new Float64Array(B * T * KV * D);
  const dvSum = new Float64Array(B * T * KV * D);
  for (let b = 0; b < B; b++) {
    for (let h = 0; h < H; h++) {
      const head = Math.floor((h * KV) / H);
      for (let t = 0; t < T; t++) {
        const query = ((b * T + t) * H + h) * D;
        let delta = 0;
        for (let d = 0; d < D; d++) delta += o[query + d]! * d_o[query + d]!;
        for (let p = starts[b * T + t]!; p <= t; p++) {
          const key = ((b * T + p) * KV + head) * D;
          let dot = 0;
          let dProbability = 0;
          for (let d = 0; d < D; d++) {
            dot += q[query + d]! * k[key + d]!;
            dProbability += d_o[query + d]! * v[key + d]!;
          }
          const probability = Math.exp(dot * scale - log_sum_exp[(b * H + h) * T + t]!);
          const dScore = probability * (dProbability - delta) * scale;
          for (let d = 0; d < D; d++) {
            dqSum[query + d]! += dScore * k[key + d]!;
            dkSum[key + d]! += dScore * q[query + d]!;
            dvSum[key + d]! += probability * d_o[query + d]!;
          }
        }
      }
    }
  }
  dq.set(dqSum);
  dk.set(dkSum);
  dv.set(dvSum);
}
