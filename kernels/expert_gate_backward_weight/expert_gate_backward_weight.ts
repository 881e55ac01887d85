/**
 * Gradient of `expert_gate` for the router: drouter[slot] += Σ_t dlogits[t, e of that slot] · x[t]. One item is
 * one slot.
 */
import type { KernelSpec } from '../kernel.ts';
import { invocations } from '../workgroups.ts';
import { expertGateBackwardWeightReference } from './expert_gate_backward_weight.reference.ts';

export const expertGateBackwardWeight: KernelSpec = {
  name: 'expert_gate_backward_weight',
  bindings: [
    { name: 'dlogits', access: 'read', type: 'f32' },
    { name: 'x', access: 'read', type: 'f32' },
    { name: 'route_of_token', access: 'read', type: 'u32' },
    { name: 'route_slots', access: 'read', type: 'u32' },
    { name: 'drouter', access: 'readwrite', type: 'f32' },
  ],
  params: [
    { name: 'T', type: 'u32' },
    { name: 'C', type: 'u32' },
    { name: 'S', type: 'u32' },
    { name: 'max_experts', type: 'u32' },
  ],
  items: ({ S = 0 }) => S,
  grain: () => 1,
  reference: expertGateBackwardWeightReference,
  webgpu: { workgroups: ({ S = 0, C = 0 }) => invocations(S * C) },
};
