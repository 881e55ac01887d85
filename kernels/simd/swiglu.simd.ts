/** The gated unit of n elements, shared by `swiglu` and `swiglu_experts`. */
import { exp4 } from './lanes.simd';

/** y = gate · sigmoid(gate) · up. y may be gate. */
export function swigluRow(gate: usize, up: usize, y: usize, n: i32): void {
  const one = f32x4.splat(1);
  let i: i32 = 0;
  for (; i + 4 <= n; i += 4) {
    const at = <usize>i << 2;
    const g = v128.load(gate + at);
    const s = f32x4.div(g, f32x4.add(one, exp4(f32x4.neg(g))));
    v128.store(y + at, f32x4.mul(s, v128.load(up + at)));
  }
  for (; i < n; i++) {
    const at = <usize>i << 2;
    const g = f32x4.splat(load<f32>(gate + at));
    const s = f32x4.div(g, f32x4.add(one, exp4(f32x4.neg(g))));
    store<f32>(y + at, f32x4.extract_lane(s, 0) * load<f32>(up + at));
  }
}
