/**
 * Gradient of `rms_norm` for its input, added to dx: with n = x · inverse_rms, dx += inverse_rms · (weight·dy − n
 * · mean(weight·dy·n)).
 */
import type { KernelSpec } from '../kernel.ts';
import { workgroups } from '../workgroups.ts';
import { rmsNormBackwardReference } from './rms_norm_backward.reference.ts';

export const rmsNormBackward: KernelSpec = {
  name: 'rms_norm_backward',
  bindings: [
    { name: 'x', access: 'read', type: 'f32' },
    { name: 'weight', access: 'read', type: 'f32' },
    { name: 'inverse_rms', access: 'read', type: 'f32' },
    { name: 'dy', access: 'read', type: 'f32' },
    { name: 'dx', access: 'readwrite', type: 'f32' },
  ],
  params: [
    { name: 'rows', type: 'u32' },
    { name: 'C', type: 'u32' },
  ],
  items: ({ rows = 0 }) => rows,
  reference: rmsNormBackwardReference,
  webgpu: { workgroups: ({ rows = 0 }) => workgroups(rows) },
};
