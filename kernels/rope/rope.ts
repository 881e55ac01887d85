/**
 * Rotary position embedding (Su et al. 2021), in the half-split layout of Hugging Face: channel i turns with channel
 * i + D/2 by the angle positions[t] · theta^(−2i/D). x [T, H, D], in place; table [positions, D/2, 2] holds cosine and
 * sine of every angle, made once on the CPU in double precision. direction −1 turns back, which is the gradient.
 */
import type { KernelSpec } from '../kernel.ts';
import { invocations } from '../workgroups.ts';
import { ropeReference } from './rope.reference.ts';

export const rope: KernelSpec = {
  name: 'rope',
  bindings: [
    { name: 'x', access: 'readwrite', type: 'f32' },
    { name: 'positions', access: 'read', type: 'u32' },
    { name: 'table', access: 'read', type: 'f32' },
  ],
  params: [
    { name: 'T', type: 'u32' },
    { name: 'H', type: 'u32' },
    { name: 'D', type: 'u32' },
    { name: 'direction', type: 'f32' },
  ],
  items: ({ T = 0 }) => T,
  reference: ropeReference,
  webgpu: { workgroups: ({ T = 0, H = 0, D = 0 }) => invocations(T * H * (D / 2)) },
};
