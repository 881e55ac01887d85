/**
 * Gradient of the losses that keep a gate even and its logits small, from the stats of `gate_load`; added to dlogits.
 *
 * For every shard (the experts of a segment, E of them, which always stand in a route together) the loss is
 * balance · E · Σ f_e P_e + z · mean logsumexp²: P_e = Σ p / tokens (Switch Transformer, eq. 6; 1 where all are used alike),
 * f_e = its part of the shard's choices, detached (eq. 5, for any top_k: Σ f = 1), and the mean over the tokens that had the
 * shard in their route (ST-MoE, eq. 5). The whole loss is the sum over shards: divide balance and z by their number, and by
 * that of the layers, for means. Tokens with weight 0 get nothing.
 */
import type { KernelSpec } from '../kernel.ts';
import { invocations } from '../workgroups.ts';
import { gateBalanceBackwardReference } from './gate_balance_backward.reference.ts';

export const gateBalanceBackward: KernelSpec = {
  name: 'gate_balance_backward',
  bindings: [
    { name: 'logits', access: 'read', type: 'f32' },
    { name: 'route_of_token', access: 'read', type: 'u32' },
    { name: 'route_slots', access: 'read', type: 'u32' },
    { name: 'route_segments', access: 'read', type: 'u32' },
    { name: 'token_weights', access: 'read', type: 'f32' },
    { name: 'stats', access: 'read', type: 'f32' },
    { name: 'dlogits', access: 'readwrite', type: 'f32' },
  ],
  params: [
    { name: 'T', type: 'u32' },
    { name: 'max_experts', type: 'u32' },
    { name: 'balance', type: 'f32' },
    { name: 'z', type: 'f32' },
  ],
  items: ({ T = 0 }) => T,
  reference: gateBalanceBackwardReference,
  webgpu: { workgroups: ({ T = 0, max_experts = 0 }) => invocations(T * max_experts) },
};
