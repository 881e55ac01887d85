import { exp4 } from '../simd/lanes.simd';

export function swiglu_backward(
  gate: usize,
  up: usize,
  dy: usize,
  dgate: usize,
  dup: usize,
  n: i32,
  start: i32,
  end: i32,
): void {
  const to = min(end * 4096, n);
  const one = f32x4.splat(1);
  let i = start * 4096;
  for (; i + 4 <= to; i += 4) {
    const at = (<usize>i) << 2;
    const g = v128.load(gate + at);
    const d = v128.load(dy + at);
    const s = f32x4.div(one, f32x4.add(one, exp4(f32x4.neg(g))));
    const gs = f32x4.mul(g, s);
    const slope = f32x4.add(s, f32x4.mul(gs, f32x4.sub(one, s)));
    v128.store(dgate + at, f32x4.mul(f32x4.mul(d, v128.load(up + at)), slope));
    v128.store(dup + at, f32x4.mul(d, gs));
  }
  for (; i < to; i++) {
    const at = (<usize>i) << 2;
    const g = load<f32>(gate + at);
    const d = load<f32>(dy + at);
    const s = f32x4.extract_lane(f32x4.div(one, f32x4.add(one, exp4(f32x4.splat(-g)))), 0);
    store<f32>(dgate + at, d * load<f32>(up + at) * (s + g * s * (1 - s)));
    store<f32>(dup + at, d * g * s);
  }
}
