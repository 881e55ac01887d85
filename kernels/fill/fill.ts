/**
 * y = value, everywhere.
 */
import type { KernelSpec } from '../kernel.ts';
import { invocations } from '../workgroups.ts';
import { fillReference } from './fill.reference.ts';

export const fill: KernelSpec = {
  name: 'fill',
  bindings: [{ name: 'y', access: 'write', type: 'f32' }],
  params: [
    { name: 'n', type: 'u32' },
    { name: 'value', type: 'f32' },
  ],
  items: ({ n = 0 }) => Math.ceil(n / 16384),
  reference: fillReference,
  webgpu: { workgroups: ({ n = 0 }) => invocations(n) },
};
