/** What the chosen experts of a token add to a part of a row, shared by every kernel that ends with it. */
import { dot } from './lanes.simd';

const NONE: u32 = 0xffffffff;

/**
 * y[0..columns) += Σ_k weights[k] · scales[s] · B[s][first + i] · h[k], s = slots[k], of one token: `slots` and `weights`
 * are its K places, h its first hidden row, of which `stride` bytes lie between places. b [S, M, R].
 */
export function addExperts(
  h: usize, stride: usize, b: usize, slots: usize, weights: usize, scales: usize, y: usize,
  K: i32, R: i32, M: i32, first: i32, columns: i32,
): void {
  const rank = (<usize>R) << 2;
  for (let k: i32 = 0; k < K; k++) {
    const slot = load<u32>(slots + (<usize>k << 2));
    if (slot == NONE) continue;
    const scale = load<f32>(weights + (<usize>k << 2)) * load<f32>(scales + ((<usize>slot) << 2));
    const matrix = b + (<usize>slot * <usize>M + <usize>first) * rank;
    expand(h + <usize>k * stride, matrix, scale, y, columns, R);
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
