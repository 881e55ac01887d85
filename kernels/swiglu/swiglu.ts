/**
 * Gated unit (Shazeer 2020): y = gate · sigmoid(gate) · up.
 */
import type { KernelSpec } from '../kernel.ts';
import { invocations } from '../workgroups.ts';
import { swigluReference } from './swiglu.reference.ts';

export const swiglu: KernelSpec = {
  name: 'swiglu',
  bindings: [
    { name: 'gate', access: 'read', type: 'f32' },
    { name: 'up', access: 'read', type: 'f32' },
    { name: 'y', access: 'write', type: 'f32' },
  ],
  params: [{ name: 'n', type: 'u32' }],
  items: ({ n = 0 }) => Math.ceil(n / 4096),
  reference: swigluReference,
  webgpu: { workgroups: ({ n = 0 }) => invocations(n) },
};
