import { exp4, log1, maximum, sum4 } from '../simd/lanes.simd';
import { GEMM_SCRATCH, gemm } from '../matmul/gemm.simd';
import { scratch } from '../simd/scratch.simd';

/** Rows of scores held at once. */
const ROWS: i32 = 48;

export function attention_train(
  q: usize,
  k: usize,
  v: usize,
  starts: usize,
  o: usize,
  log_sum_exp: usize,
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
  const scores = scratch() + GEMM_SCRATCH;
  for (let item = start; item < end; item++) {
    const b = item / H;
    const h = item % H;
    const kv = h / (H / KV);
    const first = <usize>b * <usize>T;
    const kHead = k + first * kRow + ((<usize>(kv * D)) << 2);
    const vHead = v + first * kRow + ((<usize>(kv * D)) << 2);
    for (let t0: i32 = 0; t0 < T; t0 += ROWS) {
      const rows = min(ROWS, T - t0);
      const from = <i32>load<u32>(starts + ((first + <usize>t0) << 2)) & ~3;
      const n = t0 + rows - from;
      const row = (<usize>n) << 2;
      const here = (first + <usize>t0) * qRow + ((<usize>(h * D)) << 2);
      const skip = <usize>from * kRow;
      gemm(q + here, qRow, 4, kHead + skip, 4, kRow, scores, row, rows, n, D, false);
      for (let i: i32 = 0; i < rows; i++) {
        const t = t0 + i;
        const left = <i32>load<u32>(starts + ((first + <usize>t) << 2)) - from;
        const lse = softmaxRow(scores + <usize>i * row, left, t + 1 - from, n, scale);
        store<f32>(log_sum_exp + ((<usize>((b * H + h) * T + t)) << 2), lse);
      }
      gemm(scores, row, 4, vHead + skip, kRow, 4, o + here, qRow, rows, D, n, false);
    }
  }
}

/** Softmax of scale·x over [left, right), 0 elsewhere in [0, n); returns the log of the sum of exponentials. */
function softmaxRow(x: usize, left: i32, right: i32, n: i32, scale: f32): f32 {
  const top = maximum(x + ((<usize>left) << 2), right - left) * scale;
  for (let i: i32 = 0; i < left; i++) store<f32>(x + ((<usize>i) << 2), -Infinity);
  for (let i = right; i < n; i++) store<f32>(x + ((<usize>i) << 2), -Infinity);
  const s = f32x4.splat(scale);
  const m = f32x4.splat(top);
  let sum = f32x4.splat(0);
  let i: i32 = 0;
  for (; i + 4 <= n; i += 4) {
    const p = x + ((<usize>i) << 2);
    const e = exp4(f32x4.sub(f32x4.mul(v128.load(p), s), m));
    v128.store(p, e);
    sum = f32x4.add(sum, e);
  }
  let total = sum4(sum);
  for (; i < n; i++) {
    const p = x + ((<usize>i) << 2);
    const e = f32x4.extract_lane(exp4(f32x4.splat(load<f32>(p) * scale - top)), 0);
    store<f32>(p, e);
    total += e;
  }
  const inverse = f32x4.splat(1 / total);
  for (i = 0; i + 4 <= n; i += 4) {
    const p = x + ((<usize>i) << 2);
    v128.store(p, f32x4.mul(v128.load(p), inverse));
  }
  for (; i < n; i++) {
    const p = x + ((<usize>i) << 2);
    store<f32>(p, load<f32>(p) / total);
  }
  return top + log1(total);
}
