/**
 * Root mean square norm (Zhang and Sennrich 2019): y = x / sqrt(mean(x²) + epsilon) · weight, by row. x, y [rows,
 * C], weight [C]; inverse_rms [rows] is kept for the backward pass.
 */
import type { KernelSpec } from '../kernel.ts';
import { workgroups } from '../workgroups.ts';
import { rmsNormReference } from './rms_norm.reference.ts';

export const rmsNorm: KernelSpec = {
  name: 'rms_norm',
  bindings: [
    { name: 'x', access: 'read', type: 'f32' },
    { name: 'weight', access: 'read', type: 'f32' },
    { name: 'y', access: 'write', type: 'f32' },
    { name: 'inverse_rms', access: 'write', type: 'f32' },
  ],
  params: [
    { name: 'rows', type: 'u32' },
    { name: 'C', type: 'u32' },
    { name: 'epsilon', type: 'f32' },
  ],
  items: ({ rows = 0 }) => rows,
  reference: rmsNormReference,
  webgpu: { workgroups: ({ rows = 0 }) => workgroups(rows) },
};
