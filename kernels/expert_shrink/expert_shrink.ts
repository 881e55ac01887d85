/**
 * First half of a LoRA expert (Hu et al. 2021): h[t, k] = A[slots[t, k]] x[t]. x [T, N], a [S, R, N], h [T, K, R];
 * 0 where the slot is NONE.
 */
import { GROUPED_SCRATCH_BYTES } from '../kernel.ts';
import type { KernelSpec } from '../kernel.ts';
import { workgroups } from '../workgroups.ts';
import { expertShrinkReference } from './expert_shrink.reference.ts';

export const expertShrink: KernelSpec = {
  name: 'expert_shrink',
  bindings: [
    { name: 'x', access: 'read', type: 'f32' },
    { name: 'a', access: 'read', type: 'f32', formats: ['f16'] },
    { name: 'slots', access: 'read', type: 'u32' },
    { name: 'h', access: 'write', type: 'f32' },
  ],
  params: [
    { name: 'T', type: 'u32' },
    { name: 'K', type: 'u32' },
    { name: 'R', type: 'u32' },
    { name: 'N', type: 'u32' },
  ],
  items: ({ T = 0 }) => T,
  scratch: () => GROUPED_SCRATCH_BYTES,
  reference: expertShrinkReference,
  webgpu: {
    workgroups: ({ T = 0, K = 0, R = 0 }) => workgroups(T * K * Math.ceil(R / 4)),
    overrides: ['R', 'N'],
  },
};
