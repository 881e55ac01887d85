/**
 * y = (accumulate ? y : 0) + x · (1 + epsilon · u), u uniform in [−1, 1) (Switch Transformer, Fedus et al., 2022, section
 * 2.2, "router jitter"). u of element i is a splitmix32 of seed and i in integers: all devices and the backward pass, which
 * is the same operation on dy, see the same bits. u is a multiple of 2^−23. x, y [n]; seed u32 [1].
 */
import type { KernelSpec } from '../kernel.ts';
import { invocations } from '../workgroups.ts';
import { jitterReference } from './jitter.reference.ts';

export const jitter: KernelSpec = {
  name: 'jitter',
  bindings: [
    { name: 'x', access: 'read', type: 'f32' },
    { name: 'seed', access: 'read', type: 'u32' },
    { name: 'y', access: 'readwrite', type: 'f32' },
  ],
  params: [
    { name: 'n', type: 'u32' },
    { name: 'epsilon', type: 'f32' },
    { name: 'accumulate', type: 'u32' },
  ],
  items: ({ n = 0 }) => Math.ceil(n / 8192),
  reference: jitterReference,
  webgpu: { workgroups: ({ n = 0 }) => invocations(n) },
};
