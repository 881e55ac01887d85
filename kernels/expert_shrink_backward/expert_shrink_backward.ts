/**
 * Gradient of `expert_shrink` for its input: dx[t] += Σ_k A[slots[t, k]]ᵀ dh[t, k].
 */
import { GROUPED_SCRATCH_BYTES } from '../kernel.ts';
import type { KernelSpec } from '../kernel.ts';
import { invocations } from '../workgroups.ts';
import { expertShrinkBackwardReference } from './expert_shrink_backward.reference.ts';

export const expertShrinkBackward: KernelSpec = {
  name: 'expert_shrink_backward',
  bindings: [
    { name: 'dh', access: 'read', type: 'f32' },
    { name: 'a', access: 'read', type: 'f32' },
    { name: 'slots', access: 'read', type: 'u32' },
    { name: 'dx', access: 'readwrite', type: 'f32' },
  ],
  params: [
    { name: 'T', type: 'u32' },
    { name: 'K', type: 'u32' },
    { name: 'R', type: 'u32' },
    { name: 'N', type: 'u32' },
  ],
  items: ({ T = 0 }) => T,
  scratch: ({ R = 0 }) => GROUPED_SCRATCH_BYTES + R * 1024,
  reference: expertShrinkBackwardReference,
  webgpu: { workgroups: ({ T = 0, N = 0 }) => invocations(T * N) },
};
