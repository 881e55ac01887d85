/**
 * Dispatches from tensors: the sizes come from the shapes, so that a caller names tensors only. Kernels and their exact
 * meaning: `kernels/<op>/<op>.ts`. Forward and backward stand in pairs.
 */
import { kernels } from '../../kernels/index.ts';
import type { Dispatch, Tensor } from './device.ts';
import { elements } from './tensors.ts';

const dim = (tensor: Tensor, index: number): number => tensor.shape.at(index)!;
const rowsOf = (tensor: Tensor): number => elements(tensor.shape) / dim(tensor, -1);

/** y [T, out] (+)= x [T, in] wᵀ, w [out, in]. */
export function linear(x: Tensor, w: Tensor, y: Tensor, accumulate = false): Dispatch {
  return matmul(x, w, y, rowsOf(x), dim(w, 0), dim(w, 1), false, true, accumulate);
}

/** dx [T, in] (+)= dy [T, out] w. */
export function linearBackwardInput(dy: Tensor, w: Tensor, dx: Tensor, accumulate = false): Dispatch {
  return matmul(dy, w, dx, rowsOf(dy), dim(w, 1), dim(w, 0), false, false, accumulate);
}

/** dw [out, in] (+)= dyᵀ x. */
export function linearBackwardWeight(dy: Tensor, x: Tensor, dw: Tensor, accumulate = false): Dispatch {
  return matmul(dy, x, dw, dim(dw, 0), dim(dw, 1), rowsOf(x), true, false, accumulate);
}

function matmul(
  a: Tensor,
  b: Tensor,
  c: Tensor,
  M: number,
  N: number,
  K: number,
  aTransposed: boolean,
  bTransposed: boolean,
  accumulate: boolean,
): Dispatch {
  const flags = {
    a_transposed: Number(aTransposed),
    b_transposed: Number(bTransposed),
    accumulate: Number(accumulate),
  };
  return { kernel: kernels.matmul, bindings: { a, b, c }, params: { M, N, K, ...flags } };
}

export function fill(y: Tensor, value: number): Dispatch {
  return { kernel: kernels.fill, bindings: { y }, params: { n: elements(y.shape), value } };
}

export function copy(x: Tensor, y: Tensor): Dispatch {
  return { kernel: kernels.copy, bindings: { x, y }, params: { n: elements(x.shape) } };
}

export function embedding(ids: Tensor, table: Tensor, y: Tensor): Dispatch {
  return {
    kernel: kernels.embedding,
    bindings: { ids, table, y },
    params: { T: elements(ids.shape), C: dim(table, 1) },
  };
}

export function embeddingBackward(ids: Tensor, dy: Tensor, dtable: Tensor): Dispatch {
  const params = { T: elements(ids.shape), C: dim(dtable, 1), V: dim(dtable, 0) };
  return { kernel: kernels.embeddingBackward, bindings: { ids, dy, dtable }, params };
}

/** Norm over groups of weight-many channels: heads are normalised by viewing x as more, shorter rows. */
export function rmsNorm(x: Tensor, weight: Tensor, y: Tensor, inverseRms: Tensor, epsilon: number): Dispatch {
  const C = elements(weight.shape);
  return {
    kernel: kernels.rmsNorm,
    bindings: { x, weight, y, inverse_rms: inverseRms },
    params: { rows: elements(x.shape) / C, C, epsilon },
  };
}

/** Adds to dx. */
export function rmsNormBackward(
  x: Tensor,
  weight: Tensor,
  inverseRms: Tensor,
  dy: Tensor,
  dx: Tensor,
): Dispatch {
  const C = elements(weight.shape);
  return {
    kernel: kernels.rmsNormBackward,
    bindings: { x, weight, inverse_rms: inverseRms, dy, dx },
    params: { rows: elements(x.shape) / C, C },
  };
}

/** Adds to dweight. */
export function rmsNormBackwardWeight(x: Tensor, inverseRms: Tensor, dy: Tensor, dweight: Tensor): Dispatch {
  const C = elements(dweight.shape);
  return {
    kernel: kernels.rmsNormBackwardWeight,
    bindings: { x, inverse_rms: inverseRms, dy, dweight },
    params: { rows: elements(x.shape) / C, C },
  };
}

/** x [T, H, D] in place; direction −1 is the backward pass. */
export function rope(
  x: Tensor,
  positions: Tensor,
  table: Tensor,
  headSize: number,
  direction: 1 | -1,
): Dispatch {
  const T = elements(positions.shape);
  const H = elements(x.shape) / T / headSize;
  return {
    kernel: kernels.rope,
    bindings: { x, positions, table },
    params: { T, H, D: headSize, direction },
  };
}

/** Cosine and sine of every position's angles, [positions, D/2, 2], for `rope`. */
export function ropeTable(positions: number, headSize: number, theta: number): Float32Array<ArrayBuffer> {
  const half = headSize / 2;
  const table = new Float32Array(positions * headSize);
  for (let p = 0; p < positions; p++) {
    for (let i = 0; i < half; i++) {
      const angle = p * theta ** ((-2 * i) / headSize);
      table[(p * half + i) * 2] = Math.cos(angle);
      table[(p * half + i) * 2 + 1] = Math.sin(angle);
    }
  }
  return table;
}

export function swiglu(gate: Tensor, up: Tensor, y: Tensor): Dispatch {
  return { kernel: kernels.swiglu, bindings: { gate, up, y }, params: { n: elements(y.shape) } };
}

export function swigluBackward(gate: Tensor, up: Tensor, dy: Tensor, dgate: Tensor, dup: Tensor): Dispatch {
  return {
    kernel: kernels.swigluBackward,
    bindings: { gate, up, dy, dgate, dup },
    params: { n: elements(dy.shape) },
  };
}

/** logits [T, V] become their gradient. */
export function crossEntropy(logits: Tensor, targets: Tensor, tokenWeights: Tensor, loss: Tensor): Dispatch {
  return {
    kernel: kernels.crossEntropy,
    bindings: { logits, targets, token_weights: tokenWeights, loss },
    params: { T: elements(targets.shape), V: dim(logits, -1) },
  };
}
