/** How probabilities become shards at this edge. */
import type { SelectionPolicy } from './selection.ts';

export const selectionPolicy: SelectionPolicy = {
  threshold: 0.3,
  joinShare: 0.5,
  joinFloor: 0.25,
  maxShards: 3,
  // Measured: on held-out answers without specialty the general shard is better than the base (docs/results/bits-per-character.md).
  general: { kind: 'shard', specialty: 'general' },
};
