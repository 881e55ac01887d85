/** Buffers of one training step: what the forward pass keeps for the backward pass, layer by layer. */
import type { ExpertPart } from '../../base/shard-tensors.ts';
import type { Device, Tensor } from '../../tensor/device.ts';
import type { GateTensors } from '../../tensor/expert-ops.ts';
import { createTensor } from '../../tensor/tensors.ts';
import type { ModelConfig } from '../../model/config.ts';
import type { Adapted } from '../../model/parameters.ts';
import type { Mixture } from './mixtures.ts';

export interface BatchShape {
  /** Rows of a batch. */
  readonly B: number;
  /** Tokens of a row. */
  readonly T: number;
}

export interface ExpertPoolShape {
  /** Expert slots in all. */
  readonly slots: number;
  /** Experts of one shard, which lie side by side. */
  readonly shardExperts: number;
  readonly rank: number;
  /** Linears that have experts. */
  readonly adapted: readonly Adapted[];
  /** Experts chosen for a token, at most. */
  readonly topK: number;
  /** Experts in the longest route. */
  readonly maxExperts: number;
  /** Routes in one batch. */
  readonly maxRoutes: number;
}

export interface LayerActivations {
  readonly input: Tensor;
  readonly inputInverse: Tensor;
  readonly normed: Tensor;
  readonly queryRaw: Tensor;
  readonly keyRaw: Tensor;
  readonly queryInverse: Tensor;
  readonly keyInverse: Tensor;
  readonly query: Tensor;
  readonly key: Tensor;
  readonly value: Tensor;
  readonly attended: Tensor;
  readonly logSumExp: Tensor;
  readonly middle: Tensor;
  readonly middleInverse: Tensor;
  readonly ffnNormed: Tensor;
  readonly gate: Tensor;
  readonly up: Tensor;
  readonly activated: Tensor;
  readonly experts: Readonly<Record<ExpertPart, ExpertActivations | null>>;
}

export interface ExpertActivations {
  readonly mixture: Mixture;
  readonly gate: GateTensors;
  /** [N, K, R] of each adapted linear. */
  readonly hidden: ReadonlyMap<Adapted, Tensor>;
}

export function createLayerActivations(
  device: Device,
  config: ModelConfig,
  { B, T }: BatchShape,
  layer: number,
  mixtures: readonly Mixture[],
  pool: ExpertPoolShape | null,
): LayerActivations {
  const N = B * T;
  const { hiddenSize: C, intermediateSize: F, heads: H, keyValueHeads: KV, headSize: D } = config;
  const make = (name: string, ...shape: number[]): Tensor =>
    createTensor(device, `activations.${layer}.${name}`, shape);
  const experts = (part: ExpertPart): ExpertActivations | null => {
    const mixture = mixtures.find((one) => one.layer === layer && one.part === part);
    return pool && mixture ? createExpertActivations(device, N, mixture, pool) : null;
  };
  return {
    input: make('input', N, C),
    inputInverse: make('input_inverse', N),
    normed: make('normed', N, C),
    queryRaw: make('query_raw', N, H * D),
    keyRaw: make('key_raw', N, KV * D),
    queryInverse: make('query_inverse', N * H),
    keyInverse: make('key_inverse', N * KV),
    query: make('query', N, H * D),
    key: make('key', N, KV * D),
    value: make('value', N, KV * D),
    attended: make('attended', N, H * D),
    logSumExp: make('log_sum_exp', B * H * T),
    middle: make('middle', N, C),
    middleInverse: make('middle_inverse', N),
    ffnNormed: make('ffn_normed', N, C),
    gate: make('gate', N, F),
    up: make('up', N, F),
    activated: make('activated', N, F),
    experts: { ffn: experts('ffn'), attention: experts('attention') },
  };
}

function createExpertActivations(
  device: Device,
  N: number,
  mixture: Mixture,
  { topK: K, rank: R, maxExperts }: ExpertPoolShape,
): ExpertActivations {
  const label = (name: string): string => `activations.${mixture.name}.experts.${name}`;
  return {
    mixture,
    gate: {
      logits: createTensor(device, label('logits'), [N, maxExperts]),
      chosen: createTensor(device, label('chosen'), [N, K], 'u32'),
      slots: createTensor(device, label('slots'), [N, K], 'u32'),
      weights: createTensor(device, label('weights'), [N, K]),
    },
    hidden: new Map(
      mixture.linears.map((linear) => [linear, createTensor(device, label(linear), [N, K, R])]),
    ),
  };
}
