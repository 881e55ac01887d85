/** How probabilities become shards at this edge. */
import type { SelectionPolicy } from '../router/selection.ts';

export const selectionPolicy: SelectionPolicy = {
  threshold: 0.3,
  joinShare: 0.5,
  joinFloor: 0.25,
  maxShards: 3,
  general: { kind: 'base' },
};
