/**
 * y = x.
 */
import type { KernelSpec } from '../kernel.ts';
import { invocations } from '../workgroups.ts';
import { copyReference } from './copy.reference.ts';

export const copy: KernelSpec = {
  name: 'copy',
  bindings: [
    { name: 'x', access: 'read', type: 'f32' },
    { name: 'y', access: 'write', type: 'f32' },
  ],
  params: [{ name: 'n', type: 'u32' }],
  items: ({ n = 0 }) => Math.ceil(n / 16384),
  reference: copyReference,
  webgpu: { workgroups: ({ n = 0 }) => invocations(n) },
};
