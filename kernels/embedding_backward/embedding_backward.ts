/**
 * Gradient of `embedding` for its table: dtable[ids[t]] += dy[t]. One item is a strip of 16 channels, so no two
 * write the same element and the sum over t is in order.
 */
import type { KernelSpec } from '../kernel.ts';
import { invocations } from '../workgroups.ts';
import { embeddingBackwardReference } from './embedding_backward.reference.ts';

export const embeddingBackward: KernelSpec = {
  name: 'embedding_backward',
  bindings: [
    { name: 'ids', access: 'read', type: 'u32' },
    { name: 'dy', access: 'read', type: 'f32' },
    { name: 'dtable', access: 'readwrite', type: 'f32' },
  ],
  params: [
    { name: 'T', type: 'u32' },
    { name: 'C', type: 'u32' },
    { name: 'V', type: 'u32' },
  ],
  items: ({ C = 0 }) => Math.ceil(C / 16),
  reference: embeddingBackwardReference,
  webgpu: { workgroups: ({ C = 0 }) => invocations(C) },
};
