import type { Params, ReferenceBindings } from '../kernel.ts';
import { pick } from '../pick.ts';

/**
 * Rotary positions (Su et al. 2021) in Hugging Face's rotate-half layout: element i is paired with i + D/2 and turned by
 * position · theta^(−2i/D). `direction` −1 turns back, which is also the backward pass. x [T, H, D] in place.
 */
export function ropeReference(bindings: ReferenceBindings, params: Params): void {
  const { x, positions } = pick(bindings, 'x', 'positions');
  const { T, H, D, theta, direction } = pick(params, 'T', 'H', 'D', 'theta', 'direction');
  const half = D / 2;
  for (let t = 0; t < T; t++) {
    for (let i = 0; i < half; i++) {
      const angle = positions[t]! * theta ** ((-2 * i) / D);
      const cos = Math.cos(angle);
      const sin = Math.sin(angle) * direction;
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
