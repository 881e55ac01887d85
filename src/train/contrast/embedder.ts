/** What the variants of the contrastive loss have in common: from the network to a vector z of each anchor, and back. */
import type { Adapted } from '../../model/parameters.ts';
import { gather } from '../../tensor/contrast-ops.ts';
import type { Dispatch, Tensor } from '../../tensor/device.ts';
import * as ops from '../../tensor/ops.ts';
import { elements } from '../../tensor/tensors.ts';
import type { ExpertActivations } from '../network/activations.ts';
import type { NetworkContext } from '../network/context.ts';
import type { GradientScratch } from '../network/scratch.ts';
import type { ContrastMixture, ContrastTensors } from './tensors.ts';

/** What an embedder is given: a mixture, its tensors, and where gradients go. */
export interface EmbedderInput {
  readonly context: NetworkContext;
  readonly experts: ExpertActivations;
  readonly scratch: NonNullable<GradientScratch['experts']>;
  readonly tensors: ContrastTensors;
  readonly own: ContrastMixture;
}

/** From the network to z, and back. */
export interface Embedder {
  /** Writes `own.owner`, `own.weights` and z. */
  readonly forward: readonly Dispatch[];
  /** From dz to the gradients of rows and trained tensors. */
  readonly backward: readonly Dispatch[];
  /** Whether the anchors' weights are the gate's, so that their gradient goes there. */
  readonly teachesGate: boolean;
  readonly hidden: ReadonlyMap<Adapted, readonly Dispatch[]>;
  readonly logits: readonly Dispatch[];
}

/** Owners and weights of anchors that are tokens with an expert. */
export function gatherAnchors({ experts, tensors, own }: EmbedderInput): Dispatch[] {
  const { slots, weights } = experts.gate;
  return [
    gather(viewAs(slots, [elements(slots.shape)]), tensors.index, own.owner),
    ops.embedding(tensors.places, column(weights), viewAs(own.weights, [elements(own.weights.shape), 1])),
  ];
}

export function viewAs(tensor: Tensor, shape: readonly number[]): Tensor {
  return { ...tensor, shape };
}

/** As rows of one element. */
export function column(tensor: Tensor): Tensor {
  return viewAs(tensor, [elements(tensor.shape), 1]);
}

/** As rows of R elements. */
export function rowsOf(tensor: Tensor): Tensor {
  const R = tensor.shape.at(-1)!;
  return viewAs(tensor, [elements(tensor.shape) / R, R]);
}
