import type { Params, ReferenceBindings } from '../kernel.ts';
import { pick } from '../pick.ts';
import { routeEntries } from '../route-entries.ts';
import { softmaxInPlace } from '../softmax.ts';

/**
 * dlogit_e += p_e / tokens · (balance · E · (f_e − Σ f p) + 2 · z · logsumexp) within each segment: E its experts, f_e =
 * chosen_e / Σ chosen, 0 where none was, tokens and chosen from stats [S, 5] of gate_load. logits, dlogits [T, max_experts].
 */
export function gateBalanceBackwardReference(bindings: ReferenceBindings, params: Params): void {
  const { logits, route_of_token, route_slots, route_segments, token_weights, stats, dlogits } = pick(
    bindings,
    'logits',
    'route_of_token',
    'route_slots',
    'route_segments',
    'token_weights',
    'stats',
    'dlogits',
  );
  const { T, max_experts, balance, z } = pick(params, 'T', 'max_experts', 'balance', 'z');
  for (let t = 0; t < T; t++) {
    if (token_weights[t] === 0) continue;
    const list = route_of_token[t]! * max_experts;
    const entries = routeEntries(route_slots, route_of_token[t]!, max_experts);
    const all = Array.from({ length: entries }, (_, e) => e);
    for (const segment of new Set(all.map((e) => route_segments[list + e]!))) {
      const experts = all.filter((e) => route_segments[list + e] === segment);
      const slots = experts.map((e) => route_slots[list + e]!);
      const p = Float64Array.from(experts, (e) => logits[t * max_experts + e]!);
      const lse = softmaxInPlace(p);
      const chosen = slots.reduce((sum, slot) => sum + stats[slot * 5]!, 0);
      const f = slots.map((slot) => (chosen > 0 ? stats[slot * 5]! / chosen : 0));
      const mean = f.reduce((sum, share, i) => sum + share * p[i]!, 0);
      const tokens = stats[slots[0]! * 5 + 2]!;
      for (const [i, e] of experts.entries()) {
        const pull = balance * experts.length * (f[i]! - mean) + 2 * z * lse;
        dlogits[t * max_experts + e]! += (p[i]! / tokens) * pull;
      }
    }
  }
}
