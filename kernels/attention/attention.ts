/**
 * Causal grouped-query attention over the paged KV cache, scale 1/√D. q, o [T, H, D]; k_pages, v_pages [pages,
 * page_size, KV, D]. A token sees positions 0 to its own of its sequence, summed in the order of positions.
 */
import type { KernelSpec } from '../kernel.ts';
import { workgroups } from '../workgroups.ts';
import { attentionReference } from './attention.reference.ts';

export const attention: KernelSpec = {
  name: 'attention',
  bindings: [
    { name: 'q', access: 'read', type: 'f32' },
    { name: 'k_pages', access: 'read', type: 'f32' },
    { name: 'v_pages', access: 'read', type: 'f32' },
    { name: 'page_table', access: 'read', type: 'u32' },
    { name: 'sequences', access: 'read', type: 'u32' },
    { name: 'positions', access: 'read', type: 'u32' },
    { name: 'o', access: 'write', type: 'f32' },
  ],
  params: [
    { name: 'T', type: 'u32' },
    { name: 'H', type: 'u32' },
    { name: 'KV', type: 'u32' },
    { name: 'D', type: 'u32' },
    { name: 'page_size', type: 'u32' },
    { name: 'max_pages', type: 'u32' },
  ],
  items: ({ T = 0, H = 0 }) => T * H,
  scratch: ({ page_size = 0, max_pages = 0 }) => page_size * max_pages * 4,
  reference: attentionReference,
  webgpu: {
    workgroups: ({ T = 0, H = 0 }) => workgroups(T * H),
    packed: ['page_table', 'sequences', 'positions'],
  },
};
