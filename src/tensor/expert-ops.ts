/** Dispatches of the LoRA-MoE layer: the gate that picks experts, and the two halves of an expert, with gradients. */
import { kernels } from '../../kernels/index.ts';
import type { Dispatch, Tensor } from './device.ts';
import { elements } from './tensors.ts';

/** The routes of a batch: which slots each token may choose from. See `kernels/expert_gate`. */
export interface RouteTensors {
  /** u32 [T] */
  readonly routeOfToken: Tensor;
  /** u32 [routes, maxExperts] */
  readonly slots: Tensor;
  /** u32 [routes, maxExperts] */
  readonly segments: Tensor;
  /** f32 [routes, maxExperts] */
  readonly priors: Tensor;
  /** u32 [routes] */
  readonly topK: Tensor;
}

/** What a gate decided for T tokens, K choices each. */
export interface GateTensors {
  /** f32 [T, maxExperts] */
  readonly logits: Tensor;
  /** u32 [T, K]: index in the token's route. */
  readonly chosen: Tensor;
  /** u32 [T, K]: expert slot. */
  readonly slots: Tensor;
  /** f32 [T, K] */
  readonly weights: Tensor;
}

const dim = (tensor: Tensor, index: number): number => tensor.shape.at(index)!;

export function expertGate(x: Tensor, router: Tensor, routes: RouteTensors, gate: GateTensors): Dispatch {
  return {
    kernel: kernels.expertGate,
    bindings: {
      x,
      router,
      route_of_token: routes.routeOfToken,
      route_slots: routes.slots,
      route_segments: routes.segments,
      route_priors: routes.priors,
      route_top_k: routes.topK,
      ...gate,
    },
    params: {
      T: elements(routes.routeOfToken.shape),
      C: dim(router, 1),
      K: dim(gate.slots, 1),
      max_experts: dim(routes.slots, 1),
    },
  };
}

export function expertGateBackward(
  routes: RouteTensors,
  gate: GateTensors,
  dweights: Tensor,
  dlogits: Tensor,
): Dispatch {
  return {
    kernel: kernels.expertGateBackward,
    bindings: {
      logits: gate.logits,
      route_of_token: routes.routeOfToken,
      route_slots: routes.slots,
      route_segments: routes.segments,
      chosen: gate.chosen,
      weights: gate.weights,
      dweights,
      dlogits,
    },
    params: { T: dim(gate.slots, 0), K: dim(gate.slots, 1), max_experts: dim(routes.slots, 1) },
  };
}

/** Adds to dx. */
export function expertGateBackwardInput(
  dlogits: Tensor,
  routes: RouteTensors,
  router: Tensor,
  dx: Tensor,
): Dispatch {
  return {
    kernel: kernels.expertGateBackwardInput,
    bindings: { dlogits, route_of_token: routes.routeOfToken, route_slots: routes.slots, router, dx },
    params: { T: elements(routes.routeOfToken.shape), C: dim(router, 1), max_experts: dim(routes.slots, 1) },
  };
}

/** Adds to drouter. */
export function expertGateBackwardWeight(
  dlogits: Tensor,
  x: Tensor,
  routes: RouteTensors,
  drouter: Tensor,
): Dispatch {
  return {
    kernel: kernels.expertGateBackwardWeight,
    bindings: { dlogits, x, route_of_token: routes.routeOfToken, route_slots: routes.slots, drouter },
    params: {
      T: elements(routes.routeOfToken.shape),
      C: dim(drouter, 1),
      S: dim(drouter, 0),
      max_experts: dim(routes.slots, 1),
    },
  };
}

/** h [T, K, R] = A of the chosen slots times x. a [S, R, in]. */
export function expertShrink(x: Tensor, a: Tensor, slots: Tensor, h: Tensor): Dispatch {
  return {
    kernel: kernels.expertShrink,
    bindings: { x, a, slots, h },
    params: { T: dim(slots, 0), K: dim(slots, 1), R: dim(a, 1), N: dim(a, 2) },
  };
}

/** Adds to dx. */
export function expertShrinkBackward(dh: Tensor, a: Tensor, slots: Tensor, dx: Tensor): Dispatch {
  return {
    kernel: kernels.expertShrinkBackward,
    bindings: { dh, a, slots, dx },
    params: { T: dim(slots, 0), K: dim(slots, 1), R: dim(a, 1), N: dim(a, 2) },
  };
}

/** Adds to da. */
export function expertShrinkBackwardWeight(dh: Tensor, x: Tensor, slots: Tensor, da: Tensor): Dispatch {
  return {
    kernel: kernels.expertShrinkBackwardWeight,
    bindings: { dh, x, slots, da },
    params: { T: dim(slots, 0), K: dim(slots, 1), R: dim(da, 1), N: dim(da, 2), S: dim(da, 0) },
  };
}

/** y [T, out] += Σ weight · scale · B h. b [S, out, R]. */
export function expertExpand(
  h: Tensor,
  b: Tensor,
  slots: Tensor,
  weights: Tensor,
  scales: Tensor,
  y: Tensor,
): Dispatch {
  return {
    kernel: kernels.expertExpand,
    bindings: { h, b, slots, weights, scales, y },
    params: { T: dim(slots, 0), K: dim(slots, 1), R: dim(b, 2), M: dim(b, 1) },
  };
}

/** Writes dh, adds to dweights. */
export function expertExpandBackward(
  h: Tensor,
  b: Tensor,
  gate: GateTensors,
  scales: Tensor,
  dy: Tensor,
  dh: Tensor,
  dweights: Tensor,
): Dispatch {
  const { slots, weights } = gate;
  return {
    kernel: kernels.expertExpandBackward,
    bindings: { h, b, slots, weights, scales, dy, dh, dweights },
    params: { T: dim(slots, 0), K: dim(slots, 1), R: dim(b, 2), M: dim(b, 1) },
  };
}

/** Adds to db. */
export function expertExpandBackwardWeight(
  h: Tensor,
  gate: GateTensors,
  scales: Tensor,
  dy: Tensor,
  db: Tensor,
): Dispatch {
  const { slots, weights } = gate;
  return {
    kernel: kernels.expertExpandBackwardWeight,
    bindings: { h, slots, weights, scales, dy, db },
    params: { T: dim(slots, 0), K: dim(slots, 1), R: dim(db, 2), M: dim(db, 1), S: dim(db, 0) },
  };
}
