import type { Params, ReferenceBindings } from '../kernel.ts';
import { pick } from '../pick.ts';

/** dweight[c] += Σ_rows dy · x · inverse_rms. x, dy [rows, C]; inverse_rms [rows]; dweight [C]. */
export function rmsNormBackwardWeightReference(bindings: ReferenceBindings, params: Params): void {
  const { x, inverse_rms, dy, dweight } = pick(bindings, 'x', 'inverse_rms', 'dy', 'dweight');
  const { rows, C } = pick(params, 'rows', 'C');
  for (let c = 0; c < C; c++) {
    let sum = 0;
    for (let row = 0; row < rows; row++) sum += dy[row * C + c]! * x[row * C + c]! * inverse_rms[row]!;
    dweight[c]! += sum;
  }
}
