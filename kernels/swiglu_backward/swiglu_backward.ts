/**
 * Gradient of `swiglu` for both inputs.
 */
import type { KernelSpec } from '../kernel.ts';
import { invocations } from '../workgroups.ts';
import { swigluBackwardReference } from './swiglu_backward.reference.ts';

export const swigluBackward: KernelSpec = {
  name: 'swiglu_backward',
  bindings: [
    { name: 'gate', access: 'read', type: 'f32' },
    { name: 'up', access: 'read', type: 'f32' },
    { name: 'dy', access: 'read', type: 'f32' },
    { name: 'dgate', access: 'write', type: 'f32' },
    { name: 'dup', access: 'write', type: 'f32' },
  ],
  params: [{ name: 'n', type: 'u32' }],
  items: ({ n = 0 }) => Math.ceil(n / 4096),
  reference: swigluBackwardReference,
  webgpu: { workgroups: ({ n = 0 }) => invocations(n) },
};
