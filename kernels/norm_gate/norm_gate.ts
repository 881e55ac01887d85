/**
 * The FFN's norm and the token router that reads it, for serving: y = rms_norm(x, norm), and the choice of experts that
 * `expert_gate` describes, made from y. Writes y [T, C], slots and weights [T, K] alone: logits and places in the route
 * are for training. A token without experts costs the norm. max_experts is at most MAX_GATE_EXPERTS.
 */
import type { KernelSpec } from '../kernel.ts';
import { workgroups } from '../workgroups.ts';
import { normGateReference } from './norm_gate.reference.ts';

export const normGate: KernelSpec = {
  name: 'norm_gate',
  bindings: [
    { name: 'x', access: 'read', type: 'f32' },
    { name: 'norm', access: 'read', type: 'f32' },
    { name: 'router', access: 'read', type: 'f32' },
    { name: 'route_of_token', access: 'read', type: 'u32' },
    { name: 'route_slots', access: 'read', type: 'u32' },
    { name: 'route_segments', access: 'read', type: 'u32' },
    { name: 'route_priors', access: 'read', type: 'f32' },
    { name: 'route_top_k', access: 'read', type: 'u32' },
    { name: 'y', access: 'write', type: 'f32' },
    { name: 'slots', access: 'write', type: 'u32' },
    { name: 'weights', access: 'write', type: 'f32' },
  ],
  params: [
    { name: 'T', type: 'u32' },
    { name: 'C', type: 'u32' },
    { name: 'K', type: 'u32' },
    { name: 'max_experts', type: 'u32' },
    { name: 'epsilon', type: 'f32' },
  ],
  items: ({ T = 0 }) => T,
  scratch: ({ max_experts = 0 }) => max_experts * 8,
  reference: normGateReference,
  webgpu: {
    workgroups: ({ T = 0 }) => workgroups(T),
    packed: ['route_of_token', 'route_slots', 'route_segments', 'route_priors', 'route_top_k'],
    overrides: ['C'],
  },
};
