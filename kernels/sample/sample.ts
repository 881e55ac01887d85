/**
 * The next token of every row of logits [rows, V], as src/engine/sampler.ts says it: penalties, temperature, min-p, top-k,
 * top-p, one draw. A row is chosen from that row and its own settings alone, in an order that the batch cannot change.
 *
 * settings f32 [rows, 5]: 1 / temperature (0: greedy), min-p, repetition, presence and frequency penalty.
 * limits u32 [rows, 5]: top-k (0: off), top-p · 2³² (0: off), the draw, uniform in [0, 2³²), and the range of the row in
 * seen u32 [entries, 2]: tokens that penalties are for, each once in a row, and how often each was generated (0: it is in
 * the prompt only). With `carried`, tokens [rows] has a row's latest token, which `seen` does not count yet: in rows that
 * have any, it counts as generated once more. `logits` is left with the penalties in it, and `raw` [entries] has what was there before.
 *
 * tokens u32 [rows], NONE where a row has NaN or +Infinity, or −Infinity alone. sampled f32 [rows, 2]: the token (−1 for
 * NONE; exact below 2²⁴) and its log softmax before penalties and temperature (0 for NONE). Ties go to the lower id; a
 * draw goes through what was kept in the order of ids.
 *
 * Devices may differ from each other where the draw, or the share at which top-p ends, lies within rounding of a boundary
 * between two tokens, or a weight within rounding of min-p; so may penalised logits of two tokens whose order it decides.
 * On WebGPU shares are whole multiples of 2⁻³¹ of what top-k and min-p left, so that no sum depends on an order: a
 * boundary after n tokens lies within n · 2⁻³² + 10⁻⁶ of its place. V is at most 2²².
 */
import type { KernelSpec } from '../kernel.ts';
import { workgroups } from '../workgroups.ts';
import { sampleReference } from './sample.reference.ts';

export const sample: KernelSpec = {
  name: 'sample',
  bindings: [
    { name: 'logits', access: 'readwrite', type: 'f32' },
    { name: 'settings', access: 'read', type: 'f32' },
    { name: 'limits', access: 'read', type: 'u32' },
    { name: 'seen', access: 'read', type: 'u32' },
    { name: 'raw', access: 'write', type: 'f32' },
    { name: 'tokens', access: 'readwrite', type: 'u32' },
    { name: 'sampled', access: 'write', type: 'f32' },
  ],
  params: [
    { name: 'rows', type: 'u32' },
    { name: 'V', type: 'u32' },
    { name: 'carried', type: 'u32' },
  ],
  items: ({ rows = 0 }) => rows,
  grain: () => 1,
  scratch: ({ V = 0 }) => (V + 4) * 4 + 2048 * 8,
  reference: sampleReference,
  webgpu: {
    workgroups: ({ rows = 0 }) => workgroups(rows),
    packed: ['settings', 'limits', 'seen'],
  },
};
