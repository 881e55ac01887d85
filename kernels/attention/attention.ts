/**
 * Causal grouped-query attention over the paged KV cache, scale 1/√D. q, o [T, H, D]; k_pages, v_pages [pages,
 * page_size, KV, D]; D is a multiple of 4. A token sees positions 0 to its own of its sequence, summed in the order of
 * positions. page_table [rows, max_pages], sequences, positions [T]; `work` [W, 4] says what is computed, `block` is the
 * most tokens of a piece: see attention-work.ts. Split tokens' rows of o stay as they are; partials [entries, H, 4 + D]
 * get an entry for each chunk that they see: the largest score m, Σ exp(score − m), two zeros, Σ exp(score − m) · v.
 *
 * Bytes: keys and values are read once for all H/KV query heads, so a decoding token reads 2 · KV · D · length elements
 * (4 bytes each, f16: 2), and as many for each block of a prompt. A split one writes and reads H · (D + 4) · 4 bytes of
 * partials a chunk, (H/KV)/128 of its keys and values in f32. Work: 4 · H · D operations for each position that a token
 * sees; a prompt of n tokens 2 · H · D · n². Blocks of 16 rows do 8 operations for each byte in f32, 16 in f16.
 */
import { attentionChoices, attentionConstants, attentionWorkgroups } from '../attention-work.ts';
import type { KernelSpec } from '../kernel.ts';
import { workgroups } from '../workgroups.ts';
import { attentionReference } from './attention.reference.ts';

export const attention: KernelSpec = {
  name: 'attention',
  bindings: [
    { name: 'q', access: 'read', type: 'f32' },
    { name: 'k_pages', access: 'read', type: 'f32', formats: ['f16'] },
    { name: 'v_pages', access: 'read', type: 'f32', formats: ['f16'] },
    { name: 'page_table', access: 'read', type: 'u32' },
    { name: 'sequences', access: 'read', type: 'u32' },
    { name: 'positions', access: 'read', type: 'u32' },
    { name: 'work', access: 'read', type: 'u32' },
    { name: 'o', access: 'readwrite', type: 'f32' },
    { name: 'partials', access: 'readwrite', type: 'f32' },
  ],
  params: [
    { name: 'W', type: 'u32' },
    { name: 'H', type: 'u32' },
    { name: 'KV', type: 'u32' },
    { name: 'D', type: 'u32' },
    { name: 'page_size', type: 'u32' },
    { name: 'max_pages', type: 'u32' },
    { name: 'block', type: 'u32' },
  ],
  items: ({ W = 0, H = 0 }) => W * H,
  scratch: ({ page_size = 0, max_pages = 0 }) => page_size * max_pages * 4,
  reference: attentionReference,
  webgpu: {
    workgroups: (params) => workgroups((params['W'] ?? 0) * attentionWorkgroups(params)),
    packed: ['page_table', 'sequences', 'positions', 'work'],
    constants: { choices: attentionChoices, choose: attentionConstants },
    overrides: ['H', 'KV', 'D', 'page_size'],
  },
};
