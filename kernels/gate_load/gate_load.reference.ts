import type { Params, ReferenceBindings } from '../kernel.ts';
import { pick } from '../pick.ts';
import { routeEntries } from '../route-entries.ts';
import { logSumExp } from '../softmax.ts';

/**
 * stats[s] = [times chosen, Σ p, tokens with s in their route, Σ logsumexp² of its segment, Σ −p·ln p] over the tokens whose
 * weight is not 0; p = softmax of the logits within the segment of s. logits [T, max_experts], slots [T, K], stats [S, 5].
 */
export function gateLoadReference(bindings: ReferenceBindings, params: Params): void {
  const { logits, route_of_token, route_slots, route_segments, slots, token_weights, stats } = pick(
    bindings,
    'logits',
    'route_of_token',
    'route_slots',
    'route_segments',
    'slots',
    'token_weights',
    'stats',
  );
  const { T, K, S, max_experts } = pick(params, 'T', 'K', 'S', 'max_experts');
  stats.fill(0, 0, S * 5);
  for (let t = 0; t < T; t++) {
    if (token_weights[t] === 0) continue;
    for (let k = 0; k < K; k++) {
      const slot = slots[t * K + k]!;
      if (slot < S) stats[slot * 5]! += 1;
    }
    const list = route_of_token[t]! * max_experts;
    const entries = routeEntries(route_slots, route_of_token[t]!, max_experts);
    const row = Float64Array.from({ length: entries }, (_, e) => logits[t * max_experts + e]!);
    for (let e = 0; e < entries; e++) {
      const lse = logSumExp(row.filter((_, i) => route_segments[list + i] === route_segments[list + e]));
      const p = Math.exp(row[e]! - lse);
      const at = route_slots[list + e]! * 5;
      stats[at + 1]! += p;
      stats[at + 2]! += 1;
      stats[at + 3]! += lse * lse;
      stats[at + 4]! += p * (lse - row[e]!);
    }
  }
}
