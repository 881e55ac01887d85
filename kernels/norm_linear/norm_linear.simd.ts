import { GEMM_SCRATCH, gemmWeights } from '../matmul/gemm.simd';
import { inverseRms, scaleRow } from '../simd/norm.simd';
import { scratch } from '../simd/scratch.simd';
import { tileColumns, tileRows } from '../simd/tile.simd';

/** Inputs normed at once: a block of the product's own sum over k. */
const BLOCK: i32 = 256;
/** Bytes between normed rows in scratch: not a power of two, which would put all rows into the same cache lines. */
const STRIDE: usize = 272 * 4;

export function norm_linear(
  x: usize,
  norm: usize,
  w: usize,
  y: usize,
  T: i32,
  N: i32,
  M: i32,
  epsilon: f32,
  format: i32,
  steps: usize,
  start: i32,
  end: i32,
): void {
  const bytes = (<usize>N) << 2;
  const ldc = (<usize>M) << 2;
  const rows = tileRows(T);
  const columns = tileColumns(T);
  const across = (M + columns - 1) / columns;
  const normed = scratch() + GEMM_SCRATCH;
  const scales = normed + <usize>min(rows, T) * STRIDE;
  for (let item = start; item < end; item++) {
    const m0 = (item / across) * rows;
    const n0 = (item % across) * columns;
    const mc = min(rows, T - m0);
    const from = x + <usize>m0 * bytes;
    const to = y + <usize>m0 * ldc + ((<usize>n0) << 2);
    for (let m: i32 = 0; m < mc; m++) {
      store<f32>(scales + ((<usize>m) << 2), inverseRms(from + <usize>m * bytes, N, epsilon));
    }
    for (let k0: i32 = 0; k0 < N; k0 += BLOCK) {
      const kc = min(BLOCK, N - k0);
      const at = (<usize>k0) << 2;
      for (let m: i32 = 0; m < mc; m++) {
        const scale = load<f32>(scales + ((<usize>m) << 2));
        scaleRow(from + <usize>m * bytes + at, norm + at, normed + <usize>m * STRIDE, kc, scale);
      }
      const first = <usize>n0 * <usize>N + <usize>k0;
      const nc = min(columns, M - n0);
      gemmWeights(normed, STRIDE, w, format, steps, first, N, to, ldc, mc, nc, kc, k0 > 0);
    }
  }
}
