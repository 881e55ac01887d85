/**
 * From the joint projection to attention: norms the heads of queries and keys (Qwen3's QK norm), turns them by their
 * positions (`rope`), and writes keys and values into their pages (`attention` reads them). qkv [T, (H + 2·KV) · D], norms
 * [2, D] of queries and keys, table [positions, D/2, 2]; q [T, H · D]; k_pages, v_pages [pages, page_size, KV · D].
 * D is a multiple of 4. page_table [rows, max_pages], sequences [T] names a row of it.
 */
import type { KernelSpec } from '../kernel.ts';
import { workgroups } from '../workgroups.ts';
import { qkPrepareReference } from './qk_prepare.reference.ts';

export const qkPrepare: KernelSpec = {
  name: 'qk_prepare',
  bindings: [
    { name: 'qkv', access: 'read', type: 'f32' },
    { name: 'norms', access: 'read', type: 'f32' },
    { name: 'table', access: 'read', type: 'f32' },
    { name: 'page_table', access: 'read', type: 'u32' },
    { name: 'sequences', access: 'read', type: 'u32' },
    { name: 'positions', access: 'read', type: 'u32' },
    { name: 'q', access: 'write', type: 'f32' },
    { name: 'k_pages', access: 'readwrite', type: 'f32', formats: ['f16'] },
    { name: 'v_pages', access: 'readwrite', type: 'f32', formats: ['f16'] },
  ],
  params: [
    { name: 'T', type: 'u32' },
    { name: 'H', type: 'u32' },
    { name: 'KV', type: 'u32' },
    { name: 'D', type: 'u32' },
    { name: 'page_size', type: 'u32' },
    { name: 'max_pages', type: 'u32' },
    { name: 'epsilon', type: 'f32' },
  ],
  items: ({ T = 0 }) => T,
  reference: qkPrepareReference,
  webgpu: {
    workgroups: ({ T = 0, H = 0, KV = 0 }) => workgroups(T * (H + KV)),
    overrides: ['H', 'KV', 'D', 'page_size'],
    packed: ['page_table', 'sequences', 'positions'],
  },
};
