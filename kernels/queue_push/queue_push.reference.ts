import type { Params, ReferenceBindings } from '../kernel.ts';
import { pick } from '../pick.ts';

/**
 * For each m in order: z[m] to row owner·K + heads[owner] of queue, the owner's number beside it, and the head moves on by
 * one, modulo K. z [M, D], owner [M], queue [S·K, D], key_owner [S·K], heads [S]; owners of S or more are left out.
 */
export function queuePushReference(bindings: ReferenceBindings, params: Params): void {
  const { z, owner, queue, key_owner, heads } = pick(bindings, 'z', 'owner', 'queue', 'key_owner', 'heads');
  const { M, D, S, K } = pick(params, 'M', 'D', 'S', 'K');
  for (let m = 0; m < M; m++) {
    const slot = owner[m]!;
    if (slot >= S) continue;
    const place = slot * K + heads[slot]!;
    for (let d = 0; d < D; d++) queue[place * D + d] = z[m * D + d]!;
    key_owner[place] = slot;
    heads[slot] = (heads[slot]! + 1) % K;
  }
}
