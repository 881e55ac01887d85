/**
 * Token embedding: y[t] = table[ids[t]]. ids [T], table [V, C], y [T, C].
 */
import type { KernelSpec } from '../kernel.ts';
import { invocations } from '../workgroups.ts';
import { embeddingReference } from './embedding.reference.ts';

export const embedding: KernelSpec = {
  name: 'embedding',
  bindings: [
    { name: 'ids', access: 'read', type: 'u32' },
    { name: 'table', access: 'read', type: 'f32', formats: ['f16', 'q8', 'q4'] },
    { name: 'y', access: 'write', type: 'f32' },
  ],
  params: [
    { name: 'T', type: 'u32' },
    { name: 'C', type: 'u32' },
  ],
  items: ({ T = 0 }) => T,
  reference: embeddingReference,
  simd: { encoded: ['table'] },
  webgpu: { workgroups: ({ T = 0, C = 0 }) => invocations(T * C), packed: ['ids'], overrides: ['C'] },
};
