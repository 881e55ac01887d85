/**
 * Gradient of `expert_expand` for h and the gate weights: with u = B[s]ᵀ dy[t], dh[t, k] = weight · scale · u and
 * dweights[t, k] += scale · h·u.
 */
import { GROUPED_ROWS, GROUPED_SCRATCH_BYTES } from '../kernel.ts';
import type { KernelSpec } from '../kernel.ts';
import { workgroups } from '../workgroups.ts';
import { expertExpandBackwardReference } from './expert_expand_backward.reference.ts';

export const expertExpandBackward: KernelSpec = {
  name: 'expert_expand_backward',
  bindings: [
    { name: 'h', access: 'read', type: 'f32' },
    { name: 'b', access: 'read', type: 'f32' },
    { name: 'slots', access: 'read', type: 'u32' },
    { name: 'weights', access: 'read', type: 'f32' },
    { name: 'scales', access: 'read', type: 'f32' },
    { name: 'dy', access: 'read', type: 'f32' },
    { name: 'dh', access: 'write', type: 'f32' },
    { name: 'dweights', access: 'readwrite', type: 'f32' },
  ],
  params: [
    { name: 'T', type: 'u32' },
    { name: 'K', type: 'u32' },
    { name: 'R', type: 'u32' },
    { name: 'M', type: 'u32' },
  ],
  items: ({ T = 0 }) => T,
  scratch: ({ R = 0 }) => GROUPED_SCRATCH_BYTES + GROUPED_ROWS * R * 4,
  reference: expertExpandBackwardReference,
  webgpu: { workgroups: ({ T = 0, K = 0 }) => workgroups(T * K) },
};
