import type { Params, ReferenceBindings } from '../kernel.ts';
import { pick } from '../pick.ts';
import { routeEntries } from '../route-entries.ts';

/** dx[t] += Σ_e dlogits[t, e] · router[slot_e], over the entries of the token’s route. dx [T, C]; dlogits [T, max_experts]. */
export function expertGateBackwardInputReference(bindings: ReferenceBindings, params: Params): void {
  const { dlogits, route_of_token, route_slots, router, dx } = pick(
    bindings,
    'dlogits',
    'route_of_token',
    'route_slots',
    'router',
    'dx',
  );
  const { T, C, max_experts } = pick(params, 'T', 'C', 'max_experts');
  for (let t = 0; t < T; t++) {
    const route = route_of_token[t]!;
    const entries = routeEntries(route_slots, route, max_experts);
    for (let c = 0; c < C; c++) {
      let sum = 0;
      for (let e = 0; e < entries; e++) {
        sum += dlogits[t * max_experts + e]! * router[route_slots[route * max_experts + e]! * C + c]!;
      }
      dx[t * C + c]! += sum;
    }
  }
}
