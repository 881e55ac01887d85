import type { Params, ReferenceBindings } from '../kernel.ts';
import { pick } from '../pick.ts';
import { routeEntries } from '../route-entries.ts';

/** drouter[slot_e] += Σ_t dlogits[t, e] · x[t], over all tokens whose route lists the slot. drouter [S, C]. */
export function expertGateBackwardWeightReference(bindings: ReferenceBindings, params: Params): void {
  const { dlogits, x, route_of_token, route_slots, drouter } = pick(
    bindings,
    'dlogits',
    'x',
    'route_of_token',
    'route_slots',
    'drouter',
  );
  const { T, C, S, max_experts } = pick(params, 'T', 'C', 'S', 'max_experts');
  const sum = new Float64Array(S * C);
  for (let t = 0; t < T; t++) {
    const route = route_of_token[t]!;
    const entries = routeEntries(route_slots, route, max_experts);
    for (let e = 0; e < entries; e++) {
      const slot = route_slots[route * max_experts + e]!;
      for (let c = 0; c < C; c++) sum[slot * C + c]! += dlogits[t * max_experts + e]! * x[t * C + c]!;
    }
  }
  for (let i = 0; i < S * C; i++) drouter[i]! += sum[i]!;
}
