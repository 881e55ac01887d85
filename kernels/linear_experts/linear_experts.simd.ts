import { gemmWeights } from '../matmul/gemm.simd';
import { addExperts } from '../simd/experts.simd';
import { tileColumns, tileRows } from '../simd/tile.simd';

export function linear_experts(
  x: usize,
  w: usize,
  h: usize,
  b: usize,
  slots: usize,
  weights: usize,
  scales: usize,
  y: usize,
  T: i32,
  N: i32,
  M: i32,
  K: i32,
  R: i32,
  format: i32,
  steps: usize,
  start: i32,
  end: i32,
): void {
  const bytes = (<usize>N) << 2;
  const ldc = (<usize>M) << 2;
  const rank = (<usize>R) << 2;
  const rows = tileRows(T);
  const columns = tileColumns(T);
  const across = (M + columns - 1) / columns;
  for (let item = start; item < end; item++) {
    const m0 = (item / across) * rows;
    const n0 = (item % across) * columns;
    const mc = min(rows, T - m0);
    const nc = min(columns, M - n0);
    const to = y + <usize>m0 * ldc + ((<usize>n0) << 2);
    const first = <usize>n0 * <usize>N;
    gemmWeights(x + <usize>m0 * bytes, bytes, w, format, steps, first, N, to, ldc, mc, nc, N, true);
    if (K == 0) continue;
    const place = <usize>(m0 * K);
    const at = place << 2;
    addExperts(mc, h + place * rank, rank, b, slots + at, weights + at, scales, to, ldc, K, R, M, n0, nc);
  }
}
