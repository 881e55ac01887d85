/**
 * Supervised contrastive loss over rows of cosines (Khosla et al., 2020, eq. 2: the sum over positives outside the log).
 *
 * scores [M, J] are cosines of anchor m with key j. Keys of row m are the j with key_owner[j] ≠ NONE, without j = m where
 * exclude_self is 1; its positives P are those with key_owner[j] = anchor_owner[m]. With s = scores · inverse_temperature:
 * loss[m] = logsumexp_j s − mean over P of s, in nats and not weighted; scores become the gradient of
 * scale · Σ weights[m] · loss[m]: scale · weights[m] · inverse_temperature · (softmax_j − [j ∈ P] / |P|). An anchor NONE, or
 * one without positives or without negatives: loss and gradient 0. anchor_owner, weights, loss [M]; key_owner [J].
 * d/dweights[m] is scale · loss[m].
 */
import type { KernelSpec } from '../kernel.ts';
import { workgroups } from '../workgroups.ts';
import { contrastReference } from './contrast.reference.ts';

export const contrast: KernelSpec = {
  name: 'contrast',
  bindings: [
    { name: 'scores', access: 'readwrite', type: 'f32' },
    { name: 'anchor_owner', access: 'read', type: 'u32' },
    { name: 'key_owner', access: 'read', type: 'u32' },
    { name: 'weights', access: 'read', type: 'f32' },
    { name: 'loss', access: 'write', type: 'f32' },
  ],
  params: [
    { name: 'M', type: 'u32' },
    { name: 'J', type: 'u32' },
    { name: 'inverse_temperature', type: 'f32' },
    { name: 'scale', type: 'f32' },
    { name: 'exclude_self', type: 'u32' },
  ],
  items: ({ M = 0 }) => M,
  scratch: ({ J = 0 }) => Math.ceil(J / 8) * 32,
  reference: contrastReference,
  webgpu: { workgroups: ({ M = 0 }) => workgroups(M) },
};
