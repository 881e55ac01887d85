import { NONE, type Params, type ReferenceBindings } from '../kernel.ts';
import { pick } from '../pick.ts';
import { routeEntries } from '../route-entries.ts';
import { logSumExp } from '../softmax.ts';

/**
 * Backward of expert_gate into the logits, through the chosen weights (the choice itself has no gradient):
 * da_i = w_i (dw_i − Σ w dw) over the chosen, and dlogit_e = da_e − softmax_segment(e) · Σ da over the chosen of e's
 * segment, which reaches the unchosen entries of that segment too. dweights [T, K] → dlogits [T, max_experts], overwritten.
 */
export function expertGateBackwardReference(bindings: ReferenceBindings, params: Params): void {
  const { logits, route_of_token, route_segments, route_slots, chosen, weights, dweights, dlogits } = pick(
    bindings,
    'logits',
    'route_of_token',
    'route_segments',
    'route_slots',
    'chosen',
    'weights',
    'dweights',
    'dlogits',
  );
  const { T, K, max_experts } = pick(params, 'T', 'K', 'max_experts');
  for (let t = 0; t < T; t++) {
    const route = route_of_token[t]!;
    const entries = routeEntries(route_slots, route, max_experts);
    const segmentOf = (e: number): number => route_segments[route * max_experts + e]!;
    let mean = 0;
    for (let k = 0; k < K; k++) mean += weights[t * K + k]! * dweights[t * K + k]!;
    const dScores = new Float64Array(entries);
    for (let k = 0; k < K; k++) {
      const entry = chosen[t * K + k]!;
      if (entry !== NONE) dScores[entry] = weights[t * K + k]! * (dweights[t * K + k]! - mean);
    }
    const row = Float64Array.from({ length: entries }, (_, e) => logits[t * max_experts + e]!);
    dlogits.fill(0, t * max_experts, (t + 1) * max_experts);
    for (let e = 0; e < entries; e++) {
      const sameShard = (_: number, other: number): boolean => segmentOf(other) === segmentOf(e);
      const probability = Math.exp(row[e]! - logSumExp(row.filter(sameShard)));
      const pull = dScores.filter(sameShard).reduce((sum, d) => sum + d, 0);
      dlogits[t * max_experts + e] = dScores[e]! - probability * pull;
    }
  }
}
