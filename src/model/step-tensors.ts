/** The buffers of a step, made once for the largest batch, and their views at the size of one. */
import { MAX_TOP_K } from '../base/shard-metadata.ts';
import { partialsShape } from '../tensor/attention-ops.ts';
import type { Device, Tensor } from '../tensor/device.ts';
import { createTensor } from '../tensor/tensors.ts';
import type { ModelConfig } from './config.ts';
import type { StepTensors } from './layer.ts';

/** For at most `rows` tokens, experts of at most `rank`, and partial sums of `entries` chunks of attention. */
export function createStepTensors(
  device: Device,
  config: ModelConfig,
  rows: number,
  rank: number,
  entries: number,
): StepTensors {
  const { hiddenSize: C, intermediateSize: F, heads: H, keyValueHeads: KV, headSize: D } = config;
  const make = (name: string, ...shape: number[]): Tensor => createTensor(device, `step.${name}`, shape);
  return {
    residual: make('residual', rows, C),
    normed: make('normed', rows, C),
    queryKeyValue: make('qkv', rows, (H + 2 * KV) * D),
    query: make('query', rows, H * D),
    attended: make('attended', rows, H * D),
    partials: make('partials', ...partialsShape(entries, config)),
    activated: make('activated', rows, F),
    hidden: make('expert_hidden', rows, MAX_TOP_K, 2, rank),
    choice: {
      slots: createTensor(device, 'step.slots', [rows, MAX_TOP_K], 'u32'),
      weights: make('weights', rows, MAX_TOP_K),
    },
  };
}

/** Rows are dense, whatever the capacity: T tokens with K choices. */
export function viewStep(full: StepTensors, T: number, K: number): StepTensors {
  const rows = (tensor: Tensor): Tensor => ({ ...tensor, shape: [T, ...tensor.shape.slice(1)] });
  return {
    residual: rows(full.residual),
    normed: rows(full.normed),
    queryKeyValue: rows(full.queryKeyValue),
    query: rows(full.query),
    attended: rows(full.attended),
    partials: full.partials,
    activated: rows(full.activated),
    hidden: { ...full.hidden, shape: [T, K, ...full.hidden.shape.slice(2)] },
    choice: {
      slots: { ...full.choice.slots, shape: [T, K] },
      weights: { ...full.choice.weights, shape: [T, K] },
    },
  };
}
