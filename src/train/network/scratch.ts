/** Gradients of activations: one set of buffers that every layer's backward pass uses in turn. */
import type { Device, Tensor } from '../../tensor/device.ts';
import { createTensor } from '../../tensor/tensors.ts';
import type { ModelConfig } from '../../model/config.ts';
import type { ExpertPoolShape } from './activations.ts';

export interface GradientScratch {
  /** Of the residual stream; carried from layer to layer. */
  readonly residual: Tensor;
  readonly normed: Tensor;
  readonly activated: Tensor;
  readonly gate: Tensor;
  readonly up: Tensor;
  readonly attended: Tensor;
  readonly query: Tensor;
  readonly key: Tensor;
  readonly value: Tensor;
  readonly queryRaw: Tensor;
  readonly keyRaw: Tensor;
  readonly experts: { readonly hidden: Tensor; readonly weights: Tensor; readonly logits: Tensor } | null;
}

export function createGradientScratch(
  device: Device,
  config: ModelConfig,
  N: number,
  pool: ExpertPoolShape | null,
): GradientScratch {
  const { hiddenSize: C, intermediateSize: F, heads: H, keyValueHeads: KV, headSize: D } = config;
  const make = (name: string, ...shape: number[]): Tensor => createTensor(device, `gradient.${name}`, shape);
  return {
    residual: make('residual', N, C),
    normed: make('normed', N, C),
    activated: make('activated', N, F),
    gate: make('gate', N, F),
    up: make('up', N, F),
    attended: make('attended', N, H * D),
    query: make('query', N, H * D),
    key: make('key', N, KV * D),
    value: make('value', N, KV * D),
    queryRaw: make('query_raw', N, H * D),
    keyRaw: make('key_raw', N, KV * D),
    experts: pool && {
      hidden: make('expert_hidden', N, pool.topK, pool.rank),
      weights: make('expert_weights', N, pool.topK),
      logits: make('expert_logits', N, pool.maxExperts),
    },
  };
}
