import { NONE, type Params, type ReferenceBindings } from '../kernel.ts';
import { pick } from '../pick.ts';
import { routeEntries } from '../route-entries.ts';
import { logSumExp, softmaxInPlace } from '../softmax.ts';

/**
 * The token router over the union of a request's shards. For entry e of the token's route: logit_e = router[slot_e] · x,
 * a_e = logit_e − logsumexp(logits of the same segment) + prior_e. The min(top_k, K, entries) largest a are chosen, ties to
 * the lower entry, in descending order; weights are the softmax over the chosen.
 * x [T, C]; router [S, C]; route_of_token [T]; route_slots, route_segments, route_priors [routes, max_experts], where NONE
 * ends a list and a segment is one shard's number within the route; route_top_k [routes].
 * Out: logits [T, max_experts], 0 past the end of a list; chosen (entry) and slots [T, K], NONE where empty; weights [T, K],
 * 0 where empty.
 */
export function expertGateReference(bindings: ReferenceBindings, params: Params): void {
  const {
    x,
    router,
    route_of_token,
    route_slots,
    route_segments,
    route_priors,
    route_top_k,
    logits,
    chosen,
    slots,
    weights,
  } = pick(
    bindings,
    'x',
    'router',
    'route_of_token',
    'route_slots',
    'route_segments',
    'route_priors',
    'route_top_k',
    'logits',
    'chosen',
    'slots',
    'weights',
  );
  const { T, C, K, max_experts } = pick(params, 'T', 'C', 'K', 'max_experts');
  for (let t = 0; t < T; t++) {
    const route = route_of_token[t]!;
    const entries = routeEntries(route_slots, route, max_experts);
    const list = route * max_experts;
    const row = new Float64Array(entries);
    for (let e = 0; e < entries; e++) {
      for (let c = 0; c < C; c++) row[e]! += router[route_slots[list + e]! * C + c]! * x[t * C + c]!;
    }
    const scores = Array.from(row, (logit, e) => {
      const sameShard = row.filter((_, other) => route_segments[list + other] === route_segments[list + e]);
      return logit - logSumExp(sameShard) + route_priors[list + e]!;
    });
    const best = scores
      .map((_, e) => e)
      .sort((i, j) => scores[j]! - scores[i]! || i - j)
      .slice(0, Math.min(route_top_k[route]!, K));
    const gates = Float64Array.from(best, (e) => scores[e]!);
    softmaxInPlace(gates);

    for (let e = 0; e < max_experts; e++) logits[t * max_experts + e] = row[e] ?? 0;
    for (let k = 0; k < K; k++) {
      const entry = best[k];
      chosen[t * K + k] = entry ?? NONE;
      slots[t * K + k] = entry === undefined ? NONE : route_slots[list + entry]!;
      weights[t * K + k] = gates[k] ?? 0;
    }
  }
}
