import { dot } from '../simd/lanes.simd';

export function rms_norm(
  x: usize,
  weight: usize,
  y: usize,
  inverse_rms: usize,
  rows: i32,
  C: i32,
  epsilon: f32,
  start: i32,
  end: i32,
): void {
  const bytes = (<usize>C) << 2;
  for (let r = start; r < end; r++) {
    const from = x + <usize>r * bytes;
    const to = y + <usize>r * bytes;
    const scale: f32 = 1 / sqrt<f32>(dot(from, from, C) / <f32>C + epsilon);
    store<f32>(inverse_rms + ((<usize>r) << 2), scale);
    const s = f32x4.splat(scale);
    let c: i32 = 0;
    for (; c + 4 <= C; c += 4) {
      const o = (<usize>c) << 2;
      v128.store(to + o, f32x4.mul(f32x4.mul(v128.load(from + o), s), v128.load(weight + o)));
    }
    for (; c < C; c++) {
      const o = (<usize>c) << 2;
      store<f32>(to + o, load<f32>(from + o) * scale * load<f32>(weight + o));
    }
  }
}
