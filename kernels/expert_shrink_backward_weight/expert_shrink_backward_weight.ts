/**
 * Gradient of `expert_shrink` for A: da[s] += Σ_{t,k: slots[t,k] = s} dh[t, k] ⊗ x[t]. One item is one rank of one
 * slot.
 */
import type { KernelSpec } from '../kernel.ts';
import { invocations } from '../workgroups.ts';
import { expertShrinkBackwardWeightReference } from './expert_shrink_backward_weight.reference.ts';

export const expertShrinkBackwardWeight: KernelSpec = {
  name: 'expert_shrink_backward_weight',
  bindings: [
    { name: 'dh', access: 'read', type: 'f32' },
    { name: 'x', access: 'read', type: 'f32' },
    { name: 'slots', access: 'read', type: 'u32' },
    { name: 'da', access: 'readwrite', type: 'f32' },
  ],
  params: [
    { name: 'T', type: 'u32' },
    { name: 'K', type: 'u32' },
    { name: 'R', type: 'u32' },
    { name: 'N', type: 'u32' },
    { name: 'S', type: 'u32' },
  ],
  items: ({ R = 0, S = 0 }) => S * R,
  grain: () => 1,
  reference: expertShrinkBackwardWeightReference,
  webgpu: { workgroups: ({ S = 0, R = 0, N = 0 }) => invocations(S * R * N) },
};
