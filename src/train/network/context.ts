/** What the training network is made for, what one batch is, and what the layers see of both. */
import type { ModelConfig } from '../../model/config.ts';
import type { Tensor } from '../../tensor/device.ts';
import type { RouteTensors } from '../../tensor/expert-ops.ts';
import type { BatchShape, ExpertPoolShape } from './activations.ts';

export interface NetworkOptions {
  readonly config: ModelConfig;
  readonly batch: BatchShape;
  readonly trainBase: boolean;
  readonly experts: ExpertPoolShape | null;
}

/** One batch of N = B·T tokens. */
export interface BatchTensors {
  readonly tokens: Tensor;
  readonly targets: Tensor;
  readonly positions: Tensor;
  readonly starts: Tensor;
  readonly tokenWeights: Tensor;
  readonly routes: RouteTensors | null;
}

/** What layers see of the network. */
export interface NetworkContext {
  readonly options: NetworkOptions;
  readonly batch: BatchTensors;
  readonly ropeTable: Tensor;
  /** [S] alpha / rank of each expert slot. */
  readonly scales: Tensor | null;
  readonly weight: (name: string) => Tensor;
  /** Where the gradient of a trained tensor is added up; null where it is frozen. */
  readonly gradient: (name: string) => Tensor | null;
}
