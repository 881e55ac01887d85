/**
 * partial[i] = Σ x² over the i-th of `parts` equal contiguous pieces of x [n]; for the global gradient norm.
 */
import type { KernelSpec } from '../kernel.ts';
import { workgroups } from '../workgroups.ts';
import { sumSquaresReference } from './sum_squares.reference.ts';

export const sumSquares: KernelSpec = {
  name: 'sum_squares',
  bindings: [
    { name: 'x', access: 'read', type: 'f32' },
    { name: 'partial', access: 'write', type: 'f32' },
  ],
  params: [
    { name: 'n', type: 'u32' },
    { name: 'parts', type: 'u32' },
  ],
  items: ({ parts = 0 }) => parts,
  reference: sumSquaresReference,
  webgpu: { workgroups: ({ parts = 0 }) => workgroups(parts) },
};
