/**
 * The first half of the FFN with its experts: with z = x wᵀ + Σ_k weights[t, k] · scales[s] · B[s] h[t, k] (s = slots[t, k])
 * in two halves, gate and up, y = gate · sigmoid(gate) · up. x [T, N], w [2, M, N], y [T, M]; h [T, K, 2, R] of one
 * `expert_shrink` with A [S, 2, R, N]; b [S, 2, M, R], each half with its own half of h; scales [S]. N is a multiple of 4.
 * Where K is 0, nothing is read of the experts. A row without experts is the base's own, bit for bit.
 */
import { GEMM_SCRATCH_BYTES } from '../kernel.ts';
import type { KernelSpec } from '../kernel.ts';
import { productItems, productTileRows } from '../product-tile.ts';
import { rowTile, rowTileChoices, rowTileWorkgroups } from '../row-tile.ts';
import { swigluExpertsReference } from './swiglu_experts.reference.ts';

/** Columns of a tile, of gate and of up. The kernel says the same. */
const COLUMNS = 128;

export const swigluExperts: KernelSpec = {
  name: 'swiglu_experts',
  bindings: [
    { name: 'x', access: 'read', type: 'f32' },
    { name: 'w', access: 'read', type: 'f32', formats: ['f16', 'q8', 'q4'] },
    { name: 'h', access: 'read', type: 'f32' },
    { name: 'b', access: 'read', type: 'f32', formats: ['f16'] },
    { name: 'slots', access: 'read', type: 'u32' },
    { name: 'weights', access: 'read', type: 'f32' },
    { name: 'scales', access: 'read', type: 'f32' },
    { name: 'y', access: 'write', type: 'f32' },
  ],
  params: [
    { name: 'T', type: 'u32' },
    { name: 'N', type: 'u32' },
    { name: 'M', type: 'u32' },
    { name: 'K', type: 'u32' },
    { name: 'R', type: 'u32' },
  ],
  items: ({ T = 0, M = 0 }) => productItems(T, M, COLUMNS),
  grain: () => 1,
  // A product's own, and a tile of gate and of up.
  scratch: ({ T = 0 }) => GEMM_SCRATCH_BYTES + productTileRows(T) * COLUMNS * 2 * 4,
  reference: swigluExpertsReference,
  simd: { encoded: ['w'] },
  webgpu: {
    workgroups: ({ T = 0, M = 0 }) => rowTileWorkgroups(T, 2 * M),
    constants: { choices: rowTileChoices, choose: ({ T = 0 }) => rowTile(T) },
    overrides: ['N', 'M', 'R'],
  },
};
