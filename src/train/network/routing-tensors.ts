/** Trained tensors and buffers of a network with experts: for gates that are jittered, balanced, or told apart. */
import { expertShapes } from '../../model/parameters.ts';
import type { Device } from '../../tensor/device.ts';
import { createTensor } from '../../tensor/tensors.ts';
import { contrastShapes } from '../contrast/parameters.ts';
import { createContrastTensors } from '../contrast/tensors.ts';
import type { ExpertPoolShape } from './activations.ts';
import type { NetworkOptions, RoutingTensors } from './context.ts';
import type { Mixture } from './mixtures.ts';

/** Experts first, so that an expert begins from the same values whatever is asked of its gate. */
export function expertArenaShapes(
  { config, routing }: NetworkOptions,
  pool: ExpertPoolShape,
): Map<string, readonly number[]> {
  const contrast = routing?.contrast ? contrastShapes(config, pool, routing.contrast) : [];
  return new Map([...expertShapes(config, pool.slots, pool.rank, pool.adapted), ...contrast]);
}

/** Null where nothing is asked of the gates. */
export function createRoutingTensors(
  device: Device,
  { config, batch, routing }: NetworkOptions,
  pool: ExpertPoolShape,
  mixtures: readonly Mixture[],
): RoutingTensors | null {
  if (!routing) return null;
  const N = batch.B * batch.T;
  const isBalanced = routing.balance > 0 || routing.zLoss > 0;
  return {
    jitter:
      routing.jitter > 0
        ? {
            seeds: mixtures.map(({ name }) => createTensor(device, `jitter_seed.${name}`, [1], 'u32')),
            x: createTensor(device, 'activations.jittered', [N, config.hiddenSize]),
            dx: createTensor(device, 'gradient.jittered', [N, config.hiddenSize]),
          }
        : null,
    stats: isBalanced
      ? mixtures.map(({ name }) => createTensor(device, `gate_stats.${name}`, [pool.slots, 5]))
      : null,
    contrast: routing.contrast
      ? createContrastTensors(device, config, pool, mixtures, routing.contrast)
      : null,
  };
}
