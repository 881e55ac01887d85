/** Root mean square norm of one row, shared by every kernel that begins with it, so that all give the same bits. */
import { dot } from './lanes.simd';

@inline
export function inverseRms(x: usize, C: i32, epsilon: f32): f32 {
  return 1 / sqrt<f32>(dot(x, x, C) / <f32>C + epsilon);
}

/** y = x · scale · weight over n elements, which may be a part of the row. y may be x. */
export function scaleRow(x: usize, weight: usize, y: usize, n: i32, scale: f32): void {
  const s = f32x4.splat(scale);
  let c: i32 = 0;
  for (; c + 4 <= n; c += 4) {
    const o = <usize>c << 2;
    v128.store(y + o, f32x4.mul(f32x4.mul(v128.load(x + o), s), v128.load(weight + o)));
  }
  for (; c < n; c++) {
    const o = <usize>c << 2;
    store<f32>(y + o, load<f32>(x + o) * scale * load<f32>(weight + o));
  }
}
