/**
 * Causal grouped-query attention of whole rows, scale 1/√D. q, o [B, T, H, D], k, v [B, T, KV, D]; token t of a
 * row sees starts[t] to t, so packed documents do not see each other. log_sum_exp [B, H, T] is kept for the
 * backward pass.
 */
import { GEMM_SCRATCH_BYTES } from '../kernel.ts';
import type { KernelSpec } from '../kernel.ts';
import { workgroups } from '../workgroups.ts';
import { attentionTrainReference } from './attention_train.reference.ts';

export const attentionTrain: KernelSpec = {
  name: 'attention_train',
  bindings: [
    { name: 'q', access: 'read', type: 'f32' },
    { name: 'k', access: 'read', type: 'f32' },
    { name: 'v', access: 'read', type: 'f32' },
    { name: 'starts', access: 'read', type: 'u32' },
    { name: 'o', access: 'write', type: 'f32' },
    { name: 'log_sum_exp', access: 'write', type: 'f32' },
  ],
  params: [
    { name: 'B', type: 'u32' },
    { name: 'T', type: 'u32' },
    { name: 'H', type: 'u32' },
    { name: 'KV', type: 'u32' },
    { name: 'D', type: 'u32' },
  ],
  items: ({ B = 0, H = 0 }) => B * H,
  grain: () => 1,
  scratch: ({ T = 0 }) => GEMM_SCRATCH_BYTES + 64 * (T + 4) * 4,
  reference: attentionTrainReference,
  webgpu: { workgroups: ({ B = 0, T = 0, H = 0 }) => workgroups(B * T * H) },
};
