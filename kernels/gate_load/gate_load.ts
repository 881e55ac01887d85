/**
 * What a gate did with its experts, for the balance loss (Switch Transformer, Fedus et al., 2022, eq. 4–6), the z-loss
 * (ST-MoE, Zoph et al., 2022, eq. 5) and people.
 *
 * p is the softmax of a token's logits over its route's experts of one segment, one shard, which lie side by side. Tokens
 * with weight 0 (padding) do not count. Row s of stats [S, 5] is about expert slot s:
 * 0 how often a token chose it; 1 Σ p; 2 how many tokens had it in their route; 3 Σ logsumexp² of its segment, over these;
 * 4 Σ −p·ln p in nats, whose sum over a shard's experts is the entropy of their gate. Zeros where no token had it.
 * logits [T, max_experts], slots [T, K] and route tables as in `expert_gate`; token_weights [T]. One item is a slot.
 */
import type { KernelSpec } from '../kernel.ts';
import { workgroups } from '../workgroups.ts';
import { gateLoadReference } from './gate_load.reference.ts';

export const gateLoad: KernelSpec = {
  name: 'gate_load',
  bindings: [
    { name: 'logits', access: 'read', type: 'f32' },
    { name: 'route_of_token', access: 'read', type: 'u32' },
    { name: 'route_slots', access: 'read', type: 'u32' },
    { name: 'route_segments', access: 'read', type: 'u32' },
    { name: 'slots', access: 'read', type: 'u32' },
    { name: 'token_weights', access: 'read', type: 'f32' },
    { name: 'stats', access: 'write', type: 'f32' },
  ],
  params: [
    { name: 'T', type: 'u32' },
    { name: 'K', type: 'u32' },
    { name: 'S', type: 'u32' },
    { name: 'max_experts', type: 'u32' },
  ],
  items: ({ S = 0 }) => S,
  reference: gateLoadReference,
  webgpu: { workgroups: ({ S = 0 }) => workgroups(S) },
};
