/** The mixtures of a network: each is one gate of a layer and the linears whose experts it chooses. */
import type { ExpertPart } from '../../base/shard-tensors.ts';
import { linearsOf } from '../../model/parameters.ts';
import type { Adapted } from '../../model/parameters.ts';

export interface Mixture {
  /** Among all of the network. */
  readonly index: number;
  readonly layer: number;
  /** The gate reads the norm of this half of the layer. */
  readonly part: ExpertPart;
  /** For labels: the layer's number, with the part where it is not the FFN. */
  readonly name: string;
  readonly linears: readonly Adapted[];
}

/** Layer by layer; a part of which nothing is adapted has none. */
export function mixturesOf(layers: number, adapted: readonly Adapted[]): Mixture[] {
  const found: Mixture[] = [];
  for (let layer = 0; layer < layers; layer++) {
    for (const part of ['ffn', 'attention'] as const) {
      const linears = linearsOf(part, adapted);
      if (linears.length === 0) continue;
      const name = part === 'ffn' ? `${layer}` : `${layer}.${part}`;
      found.push({ index: found.length, layer, part, name, linears });
    }
  }
  return found;
}
