/** What the training network is made for, what one batch is, and what the layers see of both. */
import type { ModelConfig } from '../../model/config.ts';
import type { Tensor } from '../../tensor/device.ts';
import type { RouteTensors } from '../../tensor/expert-ops.ts';
import type { ContrastTensors } from '../contrast/tensors.ts';
import type { ContrastOptions } from '../contrast/options.ts';
import type { BatchShape, ExpertPoolShape } from './activations.ts';

export interface NetworkOptions {
  readonly config: ModelConfig;
  readonly batch: BatchShape;
  readonly trainBase: boolean;
  readonly experts: ExpertPoolShape | null;
  /** What is asked of the gates beside the loss of the text; without it nothing. */
  readonly routing?: RoutingOptions;
}

export interface RoutingOptions {
  /** Weight of the load balance loss, a mean over mixtures. */
  readonly balance: number;
  /** Weight of the router z-loss, a mean over mixtures. */
  readonly zLoss: number;
  /** The gate's input times 1 + jitter · u in training. */
  readonly jitter: number;
  readonly contrast?: ContrastOptions | undefined;
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

/** What the gates' extras need beside the batch. */
export interface RoutingTensors {
  /** u32 [1] for each mixture, and jittered gate inputs [N, C]; null without jitter. */
  readonly jitter: { readonly seeds: readonly Tensor[]; readonly x: Tensor; readonly dx: Tensor } | null;
  /** [slots, 5] for each mixture, as `gateLoad` writes them; null where nothing is balanced. */
  readonly stats: readonly Tensor[] | null;
  readonly contrast: ContrastTensors | null;
}

/** What layers see of the network. */
export interface NetworkContext {
  readonly options: NetworkOptions;
  readonly batch: BatchTensors;
  readonly ropeTable: Tensor;
  /** [S] alpha / rank of each expert slot. */
  readonly scales: Tensor | null;
  readonly routing: RoutingTensors | null;
  readonly weight: (name: string) => Tensor;
  /** Where the gradient of a trained tensor is added up; null where it is frozen. */
  readonly gradient: (name: string) => Tensor | null;
}
