/**
 * Gradient of `expert_shrink` for A: da[s] += Σ_{t,k: slots[t,k] = s} dh[t, k] ⊗ x[t]. One item is a strip of
 * 64 columns of one slot.
 */
import { GROUPED_SCRATCH_BYTES } from '../kernel.ts';
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
  items: ({ N = 0, S = 0 }) => S * Math.ceil(N / 64),
  grain: () => 1,
  scratch: () => GROUPED_SCRATCH_BYTES,
  reference: expertShrinkBackwardWeightReference,
  webgpu: { workgroups: ({ S = 0, R = 0, N = 0 }) => invocations(S * R * N) },
};
