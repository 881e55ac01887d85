/**
 * Pushes vectors into their owners' memories. Slot s owns a ring of K places, rows s·K to s·K + K − 1 of queue; heads[s] is
 * the place that is written next. Entry m goes to the ring of owner[m] in order of m, over the oldest there; of more than
 * K entries for one ring the last K stay. An owner of S or more (NONE) is left out. A written place gets its owner in
 * key_owner, which is NONE where nothing was written yet. One item is a ring.
 * z [M, D], owner [M], queue [S·K, D], key_owner [S·K], heads [S], each below K.
 */
import type { KernelSpec } from '../kernel.ts';
import { workgroups } from '../workgroups.ts';
import { queuePushReference } from './queue_push.reference.ts';

export const queuePush: KernelSpec = {
  name: 'queue_push',
  bindings: [
    { name: 'z', access: 'read', type: 'f32' },
    { name: 'owner', access: 'read', type: 'u32' },
    { name: 'queue', access: 'readwrite', type: 'f32' },
    { name: 'key_owner', access: 'readwrite', type: 'u32' },
    { name: 'heads', access: 'readwrite', type: 'u32' },
  ],
  params: [
    { name: 'M', type: 'u32' },
    { name: 'D', type: 'u32' },
    { name: 'S', type: 'u32' },
    { name: 'K', type: 'u32' },
  ],
  items: ({ S = 0 }) => S,
  reference: queuePushReference,
  webgpu: { workgroups: ({ S = 0 }) => workgroups(S) },
};
