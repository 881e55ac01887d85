/**
 * loss[t] = token_weights[t] · −log softmax(logits[t])[targets[t]]; logits [T, V] become their gradient. Target
 * NONE or weight 0: loss and gradient 0.
 */
import type { KernelSpec } from '../kernel.ts';
import { workgroups } from '../workgroups.ts';
import { crossEntropyReference } from './cross_entropy.reference.ts';

export const crossEntropy: KernelSpec = {
  name: 'cross_entropy',
  bindings: [
    { name: 'logits', access: 'readwrite', type: 'f32' },
    { name: 'targets', access: 'read', type: 'u32' },
    { name: 'token_weights', access: 'read', type: 'f32' },
    { name: 'loss', access: 'write', type: 'f32' },
  ],
  params: [
    { name: 'T', type: 'u32' },
    { name: 'V', type: 'u32' },
  ],
  items: ({ T = 0 }) => T,
  reference: crossEntropyReference,
  webgpu: { workgroups: ({ T = 0 }) => workgroups(T) },
};
