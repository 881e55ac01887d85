import type { Params, ReferenceBindings } from '../kernel.ts';
import { pick } from '../pick.ts';

/**
 * y = x · r · weight with r = 1 / sqrt(mean(x²) + epsilon), row by row (Zhang & Sennrich 2019, eq. 4, as in Qwen3).
 * x, y [rows, C]; weight [C]; inverse_rms [rows] keeps r for the backward pass.
 */
export function rmsNormReference(bindings: ReferenceBindings, params: Params): void {
  const { x, weight, y, inverse_rms } = pick(bindings, 'x', 'weight', 'y', 'inverse_rms');
  const { rows, C, epsilon } = pick(params, 'rows', 'C', 'epsilon');
  for (let row = 0; row < rows; row++) {
    let sum = 0;
    for (let c = 0; c < C; c++) sum += x[row * C + c]! ** 2;
    const inverse = 1 / Math.sqrt(sum / C + epsilon);
    inverse_rms[row] = inverse;
    for (let c = 0; c < C; c++) y[row * C + c] = x[row * C + c]! * inverse * weight[c]!;
  }
}
