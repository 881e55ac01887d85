import { dot } from '../simd/lanes.simd';

const NONE: u32 = 0xffffffff;

export function expert_expand(
  h: usize,
  b: usize,
  slots: usize,
  weights: usize,
  scales: usize,
  y: usize,
  T: i32,
  K: i32,
  R: i32,
  M: i32,
  start: i32,
  end: i32,
): void {
  const rank = (<usize>R) << 2;
  for (let t = start; t < end; t++) {
    for (let k: i32 = 0; k < K; k++) {
      const i = <usize>(t * K + k);
      const slot = load<u32>(slots + (i << 2));
      if (slot == NONE) continue;
      const scale = load<f32>(weights + (i << 2)) * load<f32>(scales + ((<usize>slot) << 2));
      expand(h + i * rank, b + <usize>slot * <usize>M * rank, scale, y + ((<usize>(t * M)) << 2), M, R);
    }
  }
}

function expand(h: usize, b: usize, scale: f32, y: usize, M: i32, R: i32): void {
  const rank = (<usize>R) << 2;
  if (R == 8) {
    const s = f32x4.splat(scale);
    const h0 = f32x4.mul(v128.load(h), s);
    const h1 = f32x4.mul(v128.load(h, 16), s);
    for (let m: i32 = 0; m < M; m++) {
      const p = f32x4.add(f32x4.mul(v128.load(b), h0), f32x4.mul(v128.load(b, 16), h1));
      const sum =
        f32x4.extract_lane(p, 0) +
        f32x4.extract_lane(p, 1) +
        (f32x4.extract_lane(p, 2) + f32x4.extract_lane(p, 3));
      store<f32>(y, load<f32>(y) + sum);
      b += 32;
      y += 4;
    }
    return;
  }
  for (let m: i32 = 0; m < M; m++) {
    store<f32>(y, load<f32>(y) + scale * dot(b, h, R));
    b += rank;
    y += 4;
  }
}
