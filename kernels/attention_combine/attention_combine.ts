/**
 * The results of tokens that `attention` split over their chunks: partials [entries, H, 4 + D] as it leaves them, splits
 * [S, 2] a token of the batch and its first entry, positions [T]. Writes rows of o [T, H, D], no others. Chunks are added
 * up in their order, with the arithmetic of a block that walks them.
 */
import { CHUNK } from '../attention-work.ts';
import type { KernelSpec, ShaderConstants } from '../kernel.ts';
import { invocations } from '../workgroups.ts';
import { attentionCombineReference } from './attention_combine.reference.ts';

const constants: ShaderConstants = { CHUNK };

export const attentionCombine: KernelSpec = {
  name: 'attention_combine',
  bindings: [
    { name: 'partials', access: 'read', type: 'f32' },
    { name: 'positions', access: 'read', type: 'u32' },
    { name: 'splits', access: 'read', type: 'u32' },
    { name: 'o', access: 'readwrite', type: 'f32' },
  ],
  params: [
    { name: 'S', type: 'u32' },
    { name: 'H', type: 'u32' },
    { name: 'D', type: 'u32' },
  ],
  items: ({ S = 0, H = 0 }) => S * H,
  reference: attentionCombineReference,
  webgpu: {
    workgroups: ({ S = 0, H = 0, D = 0 }) => invocations((S * H * D) / 4),
    packed: ['positions', 'splits'],
    overrides: ['H', 'D'],
    constants: { choices: [constants], choose: () => constants },
  },
};
