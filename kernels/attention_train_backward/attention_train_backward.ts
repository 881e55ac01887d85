/**
 * Gradient of `attention_train`: with P = exp(S − log_sum_exp), dv = Pᵀ do, dS = P · (do vᵀ − rowsum(do · o)), dq
 * = dS k / √D, dk = dSᵀ q / √D (FlashAttention 2, Dao 2023). One item is one key/value head of one row.
 */
import { GEMM_SCRATCH_BYTES } from '../kernel.ts';
import type { KernelSpec } from '../kernel.ts';
import { invocations } from '../workgroups.ts';
import { attentionTrainBackwardReference } from './attention_train_backward.reference.ts';

export const attentionTrainBackward: KernelSpec = {
  name: 'attention_train_backward',
  bindings: [
    { name: 'q', access: 'read', type: 'f32' },
    { name: 'k', access: 'read', type: 'f32' },
    { name: 'v', access: 'read', type: 'f32' },
    { name: 'starts', access: 'read', type: 'u32' },
    { name: 'o', access: 'read', type: 'f32' },
    { name: 'd_o', access: 'read', type: 'f32' },
    { name: 'log_sum_exp', access: 'read', type: 'f32' },
    { name: 'dq', access: 'write', type: 'f32' },
    { name: 'dk', access: 'write', type: 'f32' },
    { name: 'dv', access: 'write', type: 'f32' },
  ],
  params: [
    { name: 'B', type: 'u32' },
    { name: 'T', type: 'u32' },
    { name: 'H', type: 'u32' },
    { name: 'KV', type: 'u32' },
    { name: 'D', type: 'u32' },
  ],
  items: ({ B = 0, KV = 0 }) => B * KV,
  grain: () => 1,
  scratch: ({ T = 0 }) => GEMM_SCRATCH_BYTES + 2 * 64 * (T + 4) * 4,
  reference: attentionTrainBackwardReference,
  webgpu: {
    workgroups: ({ B = 0, T = 0, H = 0, KV = 0 }) => invocations(B * T * (H + KV)),
    packed: ['starts', 'o', 'log_sum_exp'],
  },
};
