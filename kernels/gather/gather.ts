/**
 * y[m] = x[index[m]], and NONE where index[m] is NONE. All u32; x [N], index and y [M]. Rows of f32 are gathered by
 * `embedding`.
 */
import type { KernelSpec } from '../kernel.ts';
import { invocations } from '../workgroups.ts';
import { gatherReference } from './gather.reference.ts';

export const gather: KernelSpec = {
  name: 'gather',
  bindings: [
    { name: 'x', access: 'read', type: 'u32' },
    { name: 'index', access: 'read', type: 'u32' },
    { name: 'y', access: 'write', type: 'u32' },
  ],
  params: [{ name: 'M', type: 'u32' }],
  items: ({ M = 0 }) => Math.ceil(M / 4096),
  reference: gatherReference,
  webgpu: { workgroups: ({ M = 0 }) => invocations(M) },
};
