/**
 * Writes the keys and values of T tokens into their pages. k, v [T, width]; k_pages, v_pages [pages, page_size,
 * width]; page_table [rows, max_pages]; a token lands in page page_table[sequences[t], positions[t] / page_size].
 */
import type { KernelSpec } from '../kernel.ts';
import { invocations } from '../workgroups.ts';
import { kvWriteReference } from './kv_write.reference.ts';

export const kvWrite: KernelSpec = {
  name: 'kv_write',
  bindings: [
    { name: 'k', access: 'read', type: 'f32' },
    { name: 'v', access: 'read', type: 'f32' },
    { name: 'page_table', access: 'read', type: 'u32' },
    { name: 'sequences', access: 'read', type: 'u32' },
    { name: 'positions', access: 'read', type: 'u32' },
    { name: 'k_pages', access: 'readwrite', type: 'f32' },
    { name: 'v_pages', access: 'readwrite', type: 'f32' },
  ],
  params: [
    { name: 'T', type: 'u32' },
    { name: 'width', type: 'u32' },
    { name: 'page_size', type: 'u32' },
    { name: 'max_pages', type: 'u32' },
  ],
  items: ({ T = 0 }) => T,
  reference: kvWriteReference,
  webgpu: { workgroups: ({ T = 0, width = 0 }) => invocations(T * width) },
};
