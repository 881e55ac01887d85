/**
 * AdamW (Loshchilov and Hutter 2019) with clipping by global norm: norm = √Σ partial, grad is scaled by min(1,
 * max_norm / (norm + 1e-6)); max_norm ≤ 0 does not clip. correction1 = 1 − beta1^t, correction2 = 1 − beta2^t. All
 * arrays [n].
 */
import type { KernelSpec } from '../kernel.ts';
import { invocations } from '../workgroups.ts';
import { adamwReference } from './adamw.reference.ts';

export const adamw: KernelSpec = {
  name: 'adamw',
  bindings: [
    { name: 'param', access: 'readwrite', type: 'f32' },
    { name: 'grad', access: 'read', type: 'f32' },
    { name: 'm', access: 'readwrite', type: 'f32' },
    { name: 'v', access: 'readwrite', type: 'f32' },
    { name: 'partial', access: 'read', type: 'f32' },
  ],
  params: [
    { name: 'n', type: 'u32' },
    { name: 'parts', type: 'u32' },
    { name: 'learning_rate', type: 'f32' },
    { name: 'beta1', type: 'f32' },
    { name: 'beta2', type: 'f32' },
    { name: 'epsilon', type: 'f32' },
    { name: 'weight_decay', type: 'f32' },
    { name: 'correction1', type: 'f32' },
    { name: 'correction2', type: 'f32' },
    { name: 'max_norm', type: 'f32' },
  ],
  items: ({ n = 0 }) => Math.ceil(n / 16384),
  reference: adamwReference,
  webgpu: { workgroups: ({ n = 0 }) => invocations(n) },
};
