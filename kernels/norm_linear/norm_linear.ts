/**
 * A norm and the product that reads it: y = rms_norm(x, norm) wᵀ. x [T, N], norm [N], w [M, N], y [T, M]. N is a multiple
 * of 4. A row is summed as `matmul` sums it, whatever T is.
 */
import { GEMM_SCRATCH_BYTES } from '../kernel.ts';
import type { KernelSpec } from '../kernel.ts';
import { productItems, productTileRows } from '../product-tile.ts';
import { rowTile, rowTileChoices, rowTileWorkgroups } from '../row-tile.ts';
import { normLinearReference } from './norm_linear.reference.ts';

export const normLinear: KernelSpec = {
  name: 'norm_linear',
  bindings: [
    { name: 'x', access: 'read', type: 'f32' },
    { name: 'norm', access: 'read', type: 'f32' },
    { name: 'w', access: 'read', type: 'f32', formats: ['f16', 'q8', 'q4'] },
    { name: 'y', access: 'write', type: 'f32' },
  ],
  params: [
    { name: 'T', type: 'u32' },
    { name: 'N', type: 'u32' },
    { name: 'M', type: 'u32' },
    { name: 'epsilon', type: 'f32' },
  ],
  items: ({ T = 0, M = 0 }) => productItems(T, M),
  grain: () => 1,
  // A product's own, one block of normed rows, and a number for each row.
  scratch: ({ T = 0 }) => GEMM_SCRATCH_BYTES + productTileRows(T) * (272 + 1) * 4,
  reference: normLinearReference,
  simd: { encoded: ['w'] },
  webgpu: {
    workgroups: ({ T = 0, M = 0 }) => rowTileWorkgroups(T, M),
    constants: { choices: rowTileChoices, choose: ({ T = 0 }) => rowTile(T) },
    overrides: ['N', 'M'],
  },
};
