import { dot, exp4 } from '../simd/lanes.simd';
import { GEMM_SCRATCH, gemm } from '../matmul/gemm.simd';
import { scratch } from '../simd/scratch.simd';

const ROWS: i32 = 48;

export function attention_train_backward(
  q: usize,
  k: usize,
  v: usize,
  starts: usize,
  o: usize,
  d_o: usize,
  log_sum_exp: usize,
  dq: usize,
  dk: usize,
  dv: usize,
  B: i32,
  T: i32,
  H: i32,
  KV: i32,
  D: i32,
  start: i32,
  end: i32,
): void {
  const qRow = (<usize>(H * D)) << 2;
  const kRow = (<usize>(KV * D)) << 2;
  const scale: f32 = 1 / sqrt<f32>(<f32>D);
  const group = H / KV;
  const probabilities = scratch() + GEMM_SCRATCH;
  const gradients = probabilities + ((<usize>(ROWS * (T + 4))) << 2);
  for (let item = start; item < end; item++) {
    const b = item / KV;
    const kv = item % KV;
    const first = <usize>b * <usize>T;
    const kHead = first * kRow + ((<usize>(kv * D)) << 2);
    for (let t: i32 = 0; t < T; t++) {
      memory.fill(dk + kHead + <usize>t * kRow, 0, (<usize>D) << 2);
      memory.fill(dv + kHead + <usize>t * kRow, 0, (<usize>D) << 2);
    }
    for (let h = kv * group; h < (kv + 1) * group; h++) {
      for (let t0: i32 = 0; t0 < T; t0 += ROWS) {
        const rows = min(ROWS, T - t0);
        const from = <i32>load<u32>(starts + ((first + <usize>t0) << 2)) & ~3;
        const n = t0 + rows - from;
        const row = (<usize>n) << 2;
        const here = (first + <usize>t0) * qRow + ((<usize>(h * D)) << 2);
        const there = kHead + <usize>from * kRow;
        gemm(q + here, qRow, 4, k + there, 4, kRow, probabilities, row, rows, n, D, false);
        gemm(d_o + here, qRow, 4, v + there, 4, kRow, gradients, row, rows, n, D, false);
        for (let i: i32 = 0; i < rows; i++) {
          const t = t0 + i;
          const left = <i32>load<u32>(starts + ((first + <usize>t) << 2)) - from;
          const lse = load<f32>(log_sum_exp + ((<usize>((b * H + h) * T + t)) << 2));
          const along = here + <usize>i * qRow;
          const inner = dot(o + along, d_o + along, D);
          gradientRow(
            probabilities + <usize>i * row,
            gradients + <usize>i * row,
            left,
            t + 1 - from,
            n,
            scale,
            lse,
            inner,
          );
        }
        gemm(probabilities, 4, row, d_o + here, qRow, 4, dv + there, kRow, n, D, rows, true);
        gemm(gradients, 4, row, q + here, qRow, 4, dk + there, kRow, n, D, rows, true);
        gemm(gradients, row, 4, k + there, kRow, 4, dq + here, qRow, rows, D, n, false);
      }
    }
  }
}

/** p = e^(scale·p − lse) over [left, right), 0 elsewhere; g = scale · p · (g − inner). */
function gradientRow(
  p: usize,
  g: usize,
  left: i32,
  right: i32,
  n: i32,
  scale: f32,
  lse: f32,
  inner: f32,
): void {
  for (let i: i32 = 0; i < left; i++) store<f32>(p + ((<usize>i) << 2), -Infinity);
  for (let i = right; i < n; i++) store<f32>(p + ((<usize>i) << 2), -Infinity);
  const s = f32x4.splat(scale);
  const l = f32x4.splat(lse);
  const d = f32x4.splat(inner);
  let i: i32 = 0;
  for (; i + 4 <= n; i += 4) {
    const at = (<usize>i) << 2;
    const e = exp4(f32x4.sub(f32x4.mul(v128.load(p + at), s), l));
    v128.store(p + at, e);
    v128.store(g + at, f32x4.mul(f32x4.mul(s, e), f32x4.sub(v128.load(g + at), d)));
  }
  for (; i < n; i++) {
    const at = (<usize>i) << 2;
    const e = f32x4.extract_lane(exp4(f32x4.splat(load<f32>(p + at) * scale - lse)), 0);
    store<f32>(p + at, e);
    store<f32>(g + at, scale * e * (load<f32>(g + at) - inner));
  }
}
