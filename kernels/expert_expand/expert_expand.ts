/**
 * Second half of a LoRA expert: y[t] += Σ_k weights[t, k] · scales[s] · B[s] h[t, k] with s = slots[t, k]. h [T,
 * K, R], b [S, M, R], y [T, M]; scales [S] = alpha / rank. A row without experts is not touched.
 */
import { GROUPED_SCRATCH_BYTES } from '../kernel.ts';
import type { KernelSpec } from '../kernel.ts';
import { invocations } from '../workgroups.ts';
import { expertExpandReference } from './expert_expand.reference.ts';

export const expertExpand: KernelSpec = {
  name: 'expert_expand',
  bindings: [
    { name: 'h', access: 'read', type: 'f32' },
    { name: 'b', access: 'read', type: 'f32' },
    { name: 'slots', access: 'read', type: 'u32' },
    { name: 'weights', access: 'read', type: 'f32' },
    { name: 'scales', access: 'read', type: 'f32' },
    { name: 'y', access: 'readwrite', type: 'f32' },
  ],
  params: [
    { name: 'T', type: 'u32' },
    { name: 'K', type: 'u32' },
    { name: 'R', type: 'u32' },
    { name: 'M', type: 'u32' },
  ],
  items: ({ T = 0 }) => T,
  scratch: ({ R = 0 }) => GROUPED_SCRATCH_BYTES + R * 1024,
  reference: expertExpandReference,
  webgpu: { workgroups: ({ T = 0, M = 0 }) => invocations(T * M) },
};
