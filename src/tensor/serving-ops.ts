/**
 * Dispatches of a serving layer: few and large, since on a GPU each costs the same however little it does. What they fuse
 * is summed in the same order as by the single ops of the trainer.
 */
import { kernels } from '../../kernels/index.ts';
import type { HeadShape, PagedCache } from './attention-ops.ts';
import { pageBindings, paging } from './attention-ops.ts';
import type { Dispatch, Tensor } from './device.ts';
import type { RouteTensors } from './expert-ops.ts';

const dim = (tensor: Tensor, index: number): number => tensor.shape.at(index)!;

/** y [T, out] = rms_norm(x [T, in]) wᵀ, w [out, in]. */
export function normLinear(x: Tensor, norm: Tensor, w: Tensor, y: Tensor, epsilon: number): Dispatch {
  return {
    kernel: kernels.normLinear,
    bindings: { x, norm, w, y },
    params: { T: dim(x, 0), N: dim(w, 1), M: dim(w, 0), epsilon },
  };
}

/** Norms and turns the heads of qkv [T, (H + 2·KV) · D]: queries to q, keys and values to their pages. norms [2, D]. */
export function qkPrepare(
  qkv: Tensor,
  norms: Tensor,
  ropeTable: Tensor,
  cache: PagedCache,
  q: Tensor,
  shape: HeadShape,
  epsilon: number,
): Dispatch {
  const { heads: H, keyValueHeads: KV, headSize: D } = shape;
  return {
    kernel: kernels.qkPrepare,
    bindings: { qkv, norms, table: ropeTable, ...pageBindings(cache), q },
    params: { ...paging(cache), H, KV, D, epsilon },
  };
}

/** The experts that tokens chose, K each. */
export interface Choice {
  /** u32 [T, K] */
  readonly slots: Tensor;
  /** f32 [T, K] */
  readonly weights: Tensor;
}

/** y = rms_norm(x), and the experts that the gate chooses for it. router [S, C]. */
export function normGate(
  x: Tensor,
  norm: Tensor,
  router: Tensor,
  routes: RouteTensors,
  y: Tensor,
  choice: Choice,
  epsilon: number,
): Dispatch {
  return {
    kernel: kernels.normGate,
    bindings: {
      x,
      norm,
      router,
      route_of_token: routes.routeOfToken,
      route_slots: routes.slots,
      route_segments: routes.segments,
      route_priors: routes.priors,
      route_top_k: routes.topK,
      y,
      ...choice,
    },
    params: {
      T: dim(x, 0),
      C: dim(x, 1),
      K: dim(choice.slots, 1),
      max_experts: dim(routes.slots, 1),
      epsilon,
    },
  };
}

/** What experts add to a product. No places (`choice.slots` [T, 0]) stand for no experts. */
export interface ExpertSide {
  readonly choice: Choice;
  /** A x of every place, [T, K, R], or [T, K, 2, R] for gate and up. */
  readonly hidden: Tensor;
  /** [S, out, R], or [S, 2, out, R] for gate and up. */
  readonly b: Tensor;
  /** [S] */
  readonly scales: Tensor;
}

/** y [T, out] += x [T, in] wᵀ and its experts. */
export function linearExperts(x: Tensor, w: Tensor, side: ExpertSide, y: Tensor): Dispatch {
  return {
    kernel: kernels.linearExperts,
    bindings: { x, w, ...sideBindings(side), y },
    params: { T: dim(x, 0), N: dim(w, 1), M: dim(w, 0), K: dim(side.choice.slots, 1), R: dim(side.b, -1) },
  };
}

/** y [T, F] = gate · sigmoid(gate) · up of x [T, in], both with their experts. w [2, F, in]. */
export function swigluExperts(x: Tensor, w: Tensor, side: ExpertSide, y: Tensor): Dispatch {
  return {
    kernel: kernels.swigluExperts,
    bindings: { x, w, ...sideBindings(side), y },
    params: { T: dim(x, 0), N: dim(w, 2), M: dim(w, 1), K: dim(side.choice.slots, 1), R: dim(side.b, -1) },
  };
}

function sideBindings({ choice, hidden, b, scales }: ExpertSide): Record<string, Tensor> {
  return { h: hidden, b, ...choice, scales };
}
