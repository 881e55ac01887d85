/**
 * y += x.
 */
import type { KernelSpec } from '../kernel.ts';
import { invocations } from '../workgroups.ts';
import { addReference } from './add.reference.ts';

export const add: KernelSpec = {
  name: 'add',
  bindings: [
    { name: 'x', access: 'read', type: 'f32' },
    { name: 'y', access: 'readwrite', type: 'f32' },
  ],
  params: [{ name: 'n', type: 'u32' }],
  items: ({ n = 0 }) => Math.ceil(n / 8192),
  reference: addReference,
  webgpu: { workgroups: ({ n = 0 }) => invocations(n) },
};
