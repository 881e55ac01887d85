import type { Params, ReferenceBindings } from '../kernel.ts';
import { pick } from '../pick.ts';

/**
 * dx += r · (weight · dy) − x · r³ · mean(x · weight · dy), with r = inverse_rms of the forward pass.
 * x, dy, dx [rows, C]; weight [C]; inverse_rms [rows].
 */
export function rmsNormBackwardReference(bindings: ReferenceBindings, params: Params): void {
  const { x, weight, inverse_rms, dy, dx } = pick(bindings, 'x', 'weight', 'inverse_rms', 'dy', 'dx');
  const { rows, C } = pick(params, 'rows', 'C');
  for (let row = 0; row < rows; row++) {
    const inverse = inverse_rms[row]!;
    let dot = 0;
    for (let c = 0; c < C; c++) dot += x[row * C + c]! * weight[c]! * dy[row * C + c]!;
    const pull = (dot / C) * inverse ** 3;
    for (let c = 0; c < C; c++) {
      const i = row * C + c;
      dx[i]! += inverse * weight[c]! * dy[i]! - x[i]! * pull;
    }
  }
}
