/** Dispatches of the optimizer. */
import { kernels } from '../../kernels/index.ts';
import type { Dispatch, Tensor } from './device.ts';
import { elements } from './tensors.ts';

/** partial[i] = Σ x² over the i-th of as many equal pieces of x as `partial` has elements. */
export function sumSquares(x: Tensor, partial: Tensor): Dispatch {
  const params = { n: elements(x.shape), parts: elements(partial.shape) };
  return { kernel: kernels.sumSquares, bindings: { x, partial }, params };
}

export interface AdamWTensors {
  readonly param: Tensor;
  readonly grad: Tensor;
  readonly m: Tensor;
  readonly v: Tensor;
  /** Squares whose sum's root is the gradient norm. */
  readonly partial: Tensor;
}

export interface AdamWParams {
  readonly learning_rate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weight_decay: number;
  readonly correction1: number;
  readonly correction2: number;
  readonly max_norm: number;
}

/** One update in place; see `kernels/adamw`. */
export function adamw({ param, grad, m, v, partial }: AdamWTensors, params: AdamWParams): Dispatch {
  const sizes = { n: elements(param.shape), parts: elements(partial.shape) };
  return { kernel: kernels.adamw, bindings: { param, grad, m, v, partial }, params: { ...sizes, ...params } };
}
