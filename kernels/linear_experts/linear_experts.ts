/**
 * A product with its experts, added to what is there (the residual): y += x wᵀ + Σ_k weights[t, k] · scales[s] · B[s] h[t, k]
 * with s = slots[t, k]. x [T, N], w [M, N], y [T, M]; h [T, K, R] of `expert_shrink`, b [S, M, R], scales [S]. N is a
 * multiple of 4. Where K is 0, nothing is read of the experts. The product is summed as `matmul` sums it, and a row
 * without experts (slots NONE) is the product alone, bit for bit.
 */
import { GEMM_SCRATCH_BYTES } from '../kernel.ts';
import type { KernelSpec } from '../kernel.ts';
import { productItems } from '../product-tile.ts';
import { rowTile, rowTileChoices, rowTileWorkgroups } from '../row-tile.ts';
import { linearExpertsReference } from './linear_experts.reference.ts';

export const linearExperts: KernelSpec = {
  name: 'linear_experts',
  bindings: [
    { name: 'x', access: 'read', type: 'f32' },
    { name: 'w', access: 'read', type: 'f32', formats: ['f16', 'q8', 'q4'] },
    { name: 'h', access: 'read', type: 'f32' },
    { name: 'b', access: 'read', type: 'f32', formats: ['f16'] },
    { name: 'slots', access: 'read', type: 'u32' },
    { name: 'weights', access: 'read', type: 'f32' },
    { name: 'scales', access: 'read', type: 'f32' },
    { name: 'y', access: 'readwrite', type: 'f32' },
  ],
  params: [
    { name: 'T', type: 'u32' },
    { name: 'N', type: 'u32' },
    { name: 'M', type: 'u32' },
    { name: 'K', type: 'u32' },
    { name: 'R', type: 'u32' },
  ],
  items: ({ T = 0, M = 0 }) => productItems(T, M),
  grain: () => 1,
  scratch: () => GEMM_SCRATCH_BYTES,
  reference: linearExpertsReference,
  simd: { encoded: ['w'] },
  webgpu: {
    workgroups: ({ T = 0, M = 0 }) => rowTileWorkgroups(T, M),
    constants: { choices: rowTileChoices, choose: ({ T = 0 }) => rowTile(T) },
    overrides: ['N', 'M', 'R'],
  },
};
