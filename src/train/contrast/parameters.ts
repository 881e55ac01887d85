/** Trained tensors of the contrastive loss, beside the experts' own: projectors, and the control's constants. */
import type { ModelConfig } from '../../model/config.ts';
import { adaptedSize } from '../../model/parameters.ts';
import type { Adapted } from '../../model/parameters.ts';
import type { ExpertPoolShape } from '../network/activations.ts';
import type { ContrastOptions } from './options.ts';

export function contrastNames(layer: number) {
  const at = (linear: Adapted): string => `contrast.layers.${layer}.${linear}.`;
  return {
    /** [d_q, R] */
    projector: (linear: Adapted) => `${at(linear)}projector`,
    /** [d_q, out] */
    outputProjector: (linear: Adapted) => `${at(linear)}output_projector`,
    /** [S, R, 1] */
    constant: (linear: Adapted) => `${at(linear)}constant`,
  };
}

export function contrastShapes(
  config: ModelConfig,
  pool: ExpertPoolShape,
  { variant, dimensions }: ContrastOptions,
): Map<string, readonly number[]> {
  const shapes = new Map<string, readonly number[]>();
  if (variant === 'routing') return shapes;
  for (let layer = 0; layer < config.layers; layer++) {
    const names = contrastNames(layer);
    for (const linear of pool.adapted) {
      shapes.set(names.projector(linear), [dimensions, pool.rank]);
      if (variant === 'full') {
        shapes.set(names.outputProjector(linear), [dimensions, adaptedSize(config, linear).output]);
      }
      if (variant === 'constant') shapes.set(names.constant(linear), [pool.slots, pool.rank, 1]);
    }
  }
  return shapes;
}
