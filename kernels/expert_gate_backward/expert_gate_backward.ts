/**
 * Gradient of `expert_gate` for its logits: da_i = w_i (dw_i − Σ w·dw) over the chosen; dlogit_e = da_e −
 * softmax_segment(e) · Σ da over the chosen of that segment.
 */
import type { KernelSpec } from '../kernel.ts';
import { invocations } from '../workgroups.ts';
import { expertGateBackwardReference } from './expert_gate_backward.reference.ts';

export const expertGateBackward: KernelSpec = {
  name: 'expert_gate_backward',
  bindings: [
    { name: 'logits', access: 'read', type: 'f32' },
    { name: 'route_of_token', access: 'read', type: 'u32' },
    { name: 'route_slots', access: 'read', type: 'u32' },
    { name: 'route_segments', access: 'read', type: 'u32' },
    { name: 'chosen', access: 'read', type: 'u32' },
    { name: 'weights', access: 'read', type: 'f32' },
    { name: 'dweights', access: 'read', type: 'f32' },
    { name: 'dlogits', access: 'write', type: 'f32' },
  ],
  params: [
    { name: 'T', type: 'u32' },
    { name: 'K', type: 'u32' },
    { name: 'max_experts', type: 'u32' },
  ],
  items: ({ T = 0 }) => T,
  reference: expertGateBackwardReference,
  webgpu: { workgroups: ({ T = 0, max_experts = 0 }) => invocations(T * max_experts) },
};
