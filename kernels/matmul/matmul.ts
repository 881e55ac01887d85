/**
 * c[M, N] (+)= op(a) op(b), f32. a is [M, K], or [K, M] when a_transposed; b is [K, N], or [N, K] when
 * b_transposed (the weight of a linear layer). An element is summed over k in blocks of 256, in order, whatever M
 * is: a row of the result does not depend on the rows beside it.
 */
import { GEMM_SCRATCH_BYTES } from '../kernel.ts';
import type { KernelSpec } from '../kernel.ts';
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
  items: ({ M = 0, N = 0 }) => Math.ceil(M / matmulTile(M).rows) * Math.ceil(N / matmulTile(M).columns),
  grain: () => 1,
  scratch: () => GEMM_SCRATCH_BYTES,
  reference: matmulReference,
  webgpu: { workgroups: ({ M = 0, N = 0 }) => invocations(M * N) },
};

/** Many rows make an even number of equal tiles, of at most 192 rows and whole blocks of 6, so that two threads share. */
function tileRows(M: number): number {
  if (M <= 512) return 96;
  const pairs = Math.ceil(M / 384);
  return Math.ceil(Math.ceil(M / (2 * pairs)) / 6) * 6;
}

/** One work item: a tile of c. A few rows make narrow tiles, so that decoding spreads over threads too. */
function matmulTile(M: number): { rows: number; columns: number } {
  return { rows: tileRows(M), columns: M <= 24 ? 64 : 256 };
}
