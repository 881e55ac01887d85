import { exp4 } from '../simd/lanes.simd';

export function swiglu(gate: usize, up: usize, y: usize, n: i32, start: i32, end: i32): void {
  const to = min(end * 4096, n);
  const one = f32x4.splat(1);
  let i = start * 4096;
  for (; i + 4 <= to; i += 4) {
    const at = (<usize>i) << 2;
    const g = v128.load(gate + at);
    const s = f32x4.div(g, f32x4.add(one, exp4(f32x4.neg(g))));
    v128.store(y + at, f32x4.mul(s, v128.load(up + at)));
  }
  for (; i < to; i++) {
    const at = (<usize>i) << 2;
    const g = f32x4.splat(load<f32>(gate + at));
    const s = f32x4.div(g, f32x4.add(one, exp4(f32x4.neg(g))));
    store<f32>(y + at, f32x4.extract_lane(s, 0) * load<f32>(up + at));
  }
}
