/**
 * The token router: picks experts for each token out of the shards that are active for its request.
 *
 * x [T, C], router [S, C] (one row per expert slot); a route lists its experts: route_slots [routes, max_experts] (NONE
 * ends the list), route_segments (which shard of the route an expert belongs to), route_priors (β·log p of that shard),
 * route_top_k [routes]. With logit_e = router[e]·x: a_e = logit_e − logsumexp over its segment + prior_e, so that gates
 * of independently trained shards, free up to a shift, compare. The min(top_k, K) largest a are chosen, ties by lower
 * index; weights are their softmax. Writes logits [T, max_experts], chosen (index in the route) and slots [T, K] (NONE
 * where there is none), weights [T, K].
 */
import type { KernelSpec } from '../kernel.ts';
import { workgroups } from '../workgroups.ts';
import { expertGateReference } from './expert_gate.reference.ts';

export const expertGate: KernelSpec = {
  name: 'expert_gate',
  bindings: [
    { name: 'x', access: 'read', type: 'f32' },
    { name: 'router', access: 'read', type: 'f32' },
    { name: 'route_of_token', access: 'read', type: 'u32' },
    { name: 'route_slots', access: 'read', type: 'u32' },
    { name: 'route_segments', access: 'read', type: 'u32' },
    { name: 'route_priors', access: 'read', type: 'f32' },
    { name: 'route_top_k', access: 'read', type: 'u32' },
    { name: 'logits', access: 'write', type: 'f32' },
    { name: 'chosen', access: 'write', type: 'u32' },
    { name: 'slots', access: 'write', type: 'u32' },
    { name: 'weights', access: 'write', type: 'f32' },
  ],
  params: [
    { name: 'T', type: 'u32' },
    { name: 'C', type: 'u32' },
    { name: 'K', type: 'u32' },
    { name: 'max_experts', type: 'u32' },
  ],
  items: ({ T = 0 }) => T,
  scratch: ({ max_experts = 0 }) => max_experts * 4,
  reference: expertGateReference,
  webgpu: {
    workgroups: ({ T = 0 }) => workgroups(T),
    packed: ['route_of_token', 'route_slots', 'route_segments', 'route_priors', 'route_top_k'],
  },
};
