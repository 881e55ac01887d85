/**
 * Gradient of `expert_expand` for B: db[s] += Σ_{t,k: slots[t,k] = s} weight · scale · dy[t] ⊗ h[t, k]. One item
 * is a strip of 64 outputs of one slot.
 */
import { GROUPED_ROWS, GROUPED_SCRATCH_BYTES } from '../kernel.ts';
import type { KernelSpec } from '../kernel.ts';
import { invocations } from '../workgroups.ts';
import { expertExpandBackwardWeightReference } from './expert_expand_backward_weight.reference.ts';

export const expertExpandBackwardWeight: KernelSpec = {
  name: 'expert_expand_backward_weight',
  bindings: [
    { name: 'h', access: 'read', type: 'f32' },
    { name: 'slots', access: 'read', type: 'u32' },
    { name: 'weights', access: 'read', type: 'f32' },
    { name: 'scales', access: 'read', type: 'f32' },
    { name: 'dy', access: 'read', type: 'f32' },
    { name: 'db', access: 'readwrite', type: 'f32' },
  ],
  params: [
    { name: 'T', type: 'u32' },
    { name: 'K', type: 'u32' },
    { name: 'R', type: 'u32' },
    { name: 'M', type: 'u32' },
    { name: 'S', type: 'u32' },
  ],
  items: ({ M = 0, S = 0 }) => S * Math.ceil(M / 64),
  grain: () => 1,
  scratch: ({ R = 0 }) => GROUPED_SCRATCH_BYTES + GROUPED_ROWS * R * 4,
  reference: expertExpandBackwardWeightReference,
  webgpu: { workgroups: ({ S = 0, M = 0, R = 0 }) => invocations(S * M * R) },
};
