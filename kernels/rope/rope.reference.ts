import type { Params, ReferenceBindings } from '../kernel.ts';
import { pick } from '../pick.ts';

/**
 * Rotary positions (Su et al. 2021) in Hugging Face's rotate-half layout: element i is paired with i + D/2 and turned by
 * the angle whose cosine and sine stand in `table` [positions, D/2, 2]. `direction` −1 turns back, which is also the
 * backward pass. x [T, H, D] in place.
 */
export function ropeReference(bindings: ReferenceBindings, params: Params): void {
  const { x, positions, table } = pick(bindings, 'x', 'positions', 'table');
  const { T, H, D, direction } = pick(params, 'T', 'H', 'D', 'direction');
  const half = D / 2;
  for (let t = 0; t < T; t++) {
    for (let i = 0; i < half; i++) {
      const angle = (positions[t]! * half + i) * 2;
      const cos = table[angle]!;
      const sin = table[angle + 1]! * direction;
      for (let h = 0; h < H; h++) {
        const low = (t * H + h) * D + i;
        const x1 = x[low]!;
        const x2 = x[low + half]!;
        x[low] = x1 * cos - x2 * sin;
        x[low + half] = x2 * cos + x1 * sin;
      }
    }
  }
}
