/**
 * Gradient of `rms_norm` for its weight: dweight += Σ_rows dy · x · inverse_rms. One item is a strip of 16
 * channels.
 */
import type { KernelSpec } from '../kernel.ts';
import { invocations } from '../workgroups.ts';
import { rmsNormBackwardWeightReference } from './rms_norm_backward_weight.reference.ts';

export const rmsNormBackwardWeight: KernelSpec = {
  name: 'rms_norm_backward_weight',
  bindings: [
    { name: 'x', access: 'read', type: 'f32' },
    { name: 'inverse_rms', access: 'read', type: 'f32' },
    { name: 'dy', access: 'read', type: 'f32' },
    { name: 'dweight', access: 'readwrite', type: 'f32' },
  ],
  params: [
    { name: 'rows', type: 'u32' },
    { name: 'C', type: 'u32' },
  ],
  items: ({ C = 0 }) => Math.ceil(C / 16),
  reference: rmsNormBackwardWeightReference,
  webgpu: { workgroups: ({ C = 0 }) => invocations(C) },
};
