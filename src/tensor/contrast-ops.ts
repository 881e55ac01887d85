/** Dispatches that train a gate and tell its experts apart: contrastive loss and its memory, balance, jitter. */
import { kernels } from '../../kernels/index.ts';
import type { Dispatch, Tensor } from './device.ts';
import type { GateTensors, RouteTensors } from './expert-ops.ts';
import { elements } from './tensors.ts';

const dim = (tensor: Tensor, index: number): number => tensor.shape.at(index)!;

export interface ContrastOptions {
  /** Above 0; scores are divided by it. */
  readonly temperature: number;
  /** Factor of the gradient, not of `loss`. */
  readonly scale: number;
  /** Key m is anchor m itself: it is neither a positive nor a negative of its own row. Default: false. */
  readonly excludeSelf?: boolean;
}

/**
 * Supervised contrastive loss in nats (Khosla et al., 2020, eq. 2). scores f32 [M, J], cosines of anchors with keys, become
 * the gradient of scale · Σ weights · loss; loss f32 [M] is written, unweighted: the gradient to weights[m] is scale · loss[m].
 * anchorOwner u32 [M], keyOwner u32 [J]: NONE is no anchor, an empty key. An anchor without positives or without negatives
 * has loss and gradient 0. See `kernels/contrast`.
 */
export function contrast(
  scores: Tensor,
  anchorOwner: Tensor,
  keyOwner: Tensor,
  weights: Tensor,
  loss: Tensor,
  { temperature, scale, excludeSelf = false }: ContrastOptions,
): Dispatch {
  return {
    kernel: kernels.contrast,
    bindings: { scores, anchor_owner: anchorOwner, key_owner: keyOwner, weights, loss },
    params: {
      M: elements(anchorOwner.shape),
      J: elements(keyOwner.shape),
      inverse_temperature: 1 / temperature,
      scale,
      exclude_self: Number(excludeSelf),
    },
  };
}

/**
 * z f32 [M, D] with owner u32 [M] (NONE: left out) into rings of K places each: queue f32 [S·K, D], keyOwner u32 [S·K]
 * (fill it with NONE before the first push), heads u32 [S] (zeros before it). The oldest of an owner are overwritten.
 */
export function queuePush(
  z: Tensor,
  owner: Tensor,
  queue: Tensor,
  keyOwner: Tensor,
  heads: Tensor,
): Dispatch {
  const S = elements(heads.shape);
  return {
    kernel: kernels.queuePush,
    bindings: { z, owner, queue, key_owner: keyOwner, heads },
    params: { M: elements(owner.shape), D: dim(queue, -1), S, K: elements(keyOwner.shape) / S },
  };
}

/** y[m] = x[index[m]], NONE where the index is NONE; all u32. Rows of f32: `embedding` and `embeddingBackward`. */
export function gather(x: Tensor, index: Tensor, y: Tensor): Dispatch {
  return { kernel: kernels.gather, bindings: { x, index, y }, params: { M: elements(index.shape) } };
}

/**
 * Writes stats f32 [S, 5], a row for each expert slot: times chosen, Σ p, tokens that had it in their route, Σ logsumexp² of
 * its shard's logits, Σ −p·ln p; over the tokens whose weight in tokenWeights f32 [T] is not 0. See `kernels/gate_load`.
 */
export function gateLoad(
  routes: RouteTensors,
  gate: Pick<GateTensors, 'logits' | 'slots'>,
  tokenWeights: Tensor,
  stats: Tensor,
): Dispatch {
  return {
    kernel: kernels.gateLoad,
    bindings: {
      logits: gate.logits,
      route_of_token: routes.routeOfToken,
      route_slots: routes.slots,
      route_segments: routes.segments,
      slots: gate.slots,
      token_weights: tokenWeights,
      stats,
    },
    params: {
      T: dim(gate.slots, 0),
      K: dim(gate.slots, 1),
      S: dim(stats, 0),
      max_experts: dim(routes.slots, 1),
    },
  };
}

/**
 * Adds to dlogits f32 [T, maxExperts] the gradient of Σ over shards of balance · E · Σ f P + z · mean logsumexp² (Switch
 * Transformer, eq. 4–6; ST-MoE, eq. 5), with the f of `stats` detached. See `kernels/gate_balance_backward`.
 */
export function gateBalanceBackward(
  routes: RouteTensors,
  logits: Tensor,
  tokenWeights: Tensor,
  stats: Tensor,
  dlogits: Tensor,
  { balance, z }: { readonly balance: number; readonly z: number },
): Dispatch {
  return {
    kernel: kernels.gateBalanceBackward,
    bindings: {
      logits,
      route_of_token: routes.routeOfToken,
      route_slots: routes.slots,
      route_segments: routes.segments,
      token_weights: tokenWeights,
      stats,
      dlogits,
    },
    params: { T: elements(routes.routeOfToken.shape), max_experts: dim(routes.slots, 1), balance, z },
  };
}

/**
 * y (+)= x · (1 + epsilon · u), u in [−1, 1) from seed u32 [1] and the element's index. The backward pass is the same on
 * gradients, with the same seed: jitter(dy, seed, dx, epsilon, true).
 */
export function jitter(x: Tensor, seed: Tensor, y: Tensor, epsilon: number, accumulate = false): Dispatch {
  return {
    kernel: kernels.jitter,
    bindings: { x, seed, y },
    params: { n: elements(x.shape), epsilon, accumulate: Number(accumulate) },
  };
}
