/**
 * c[M, N] (+)= op(a) op(b), f32. a is [M, K], or [K, M] when a_transposed; b is [K, N], or [N, K] when
 * b_transposed (the weight of a linear layer). An element is summed over k in blocks of 256, in order, whatever M
 * is: a row of the result does not depend on the rows beside it.
 */
import { GEMM_SCRATCH_BYTES } from '../kernel.ts';
import type { KernelSpec } from '../kernel.ts';
import { productItems } from '../product-tile.ts';
import { invocations } from '../workgroups.ts';
import { matmulReference } from './matmul.reference.ts';

export const matmul: KernelSpec = {
  name: 'matmul',
  bindings: [
    { name: 'a', access: 'read', type: 'f32' },
    { name: 'b', access: 'read', type: 'f32' },
    { name: 'c', access: 'readwrite', type: 'f32' },
  ],
  params: [
    { name: 'M', type: 'u32' },
    { name: 'N', type: 'u32' },
    { name: 'K', type: 'u32' },
    { name: 'a_transposed', type: 'u32' },
    { name: 'b_transposed', type: 'u32' },
    { name: 'accumulate', type: 'u32' },
  ],
  items: ({ M = 0, N = 0 }) => productItems(M, N),
  grain: () => 1,
  scratch: () => GEMM_SCRATCH_BYTES,
  reference: matmulReference,
  webgpu: { workgroups: ({ M = 0, N = 0 }) => invocations(M * N) },
};
