/**
 * Gradient of `expert_gate` for its input: dx[t] += Σ_e dlogits[t, e] · router[slot_e].
 */
import type { KernelSpec } from '../kernel.ts';
import { invocations } from '../workgroups.ts';
import { expertGateBackwardInputReference } from './expert_gate_backward_input.reference.ts';

export const expertGateBackwardInput: KernelSpec = {
  name: 'expert_gate_backward_input',
  bindings: [
    { name: 'dlogits', access: 'read', type: 'f32' },
    { name: 'route_of_token', access: 'read', type: 'u32' },
    { name: 'route_slots', access: 'read', type: 'u32' },
    { name: 'router', access: 'read', type: 'f32' },
    { name: 'dx', access: 'readwrite', type: 'f32' },
  ],
  params: [
    { name: 'T', type: 'u32' },
    { name: 'C', type: 'u32' },
    { name: 'max_experts', type: 'u32' },
  ],
  items: ({ T = 0 }) => T,
  reference: expertGateBackwardInputReference,
  webgpu: { workgroups: ({ T = 0, C = 0 }) => invocations(T * C) },
};
