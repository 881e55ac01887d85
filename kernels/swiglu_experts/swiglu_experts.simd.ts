import { GEMM_SCRATCH, gemmWeights } from '../matmul/gemm.simd';
import { addExperts } from '../simd/experts.simd';
import { scratch } from '../simd/scratch.simd';
import { swigluRow } from '../simd/swiglu.simd';
import { tileColumns, tileRows } from '../simd/tile.simd';

/** Columns of a tile, of gate and of up; the spec says the same. */
const COLUMNS: i32 = 128;
/** Bytes of a row of a tile in scratch. */
const ROW: usize = 128 * 4;

export function swiglu_experts(
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
  const columns = min(tileColumns(T), COLUMNS);
  const across = (M + columns - 1) / columns;
  const gate = scratch() + GEMM_SCRATCH;
  const up = gate + <usize>min(rows, T) * ROW;
  for (let item = start; item < end; item++) {
    const m0 = (item / across) * rows;
    const n0 = (item % across) * columns;
    const mc = min(rows, T - m0);
    const nc = min(columns, M - n0);
    const from = x + <usize>m0 * bytes;
    const first = <usize>n0 * <usize>N;
    const second = <usize>(M + n0) * <usize>N;
    gemmWeights(from, bytes, w, format, steps, first, N, gate, ROW, mc, nc, N, false);
    gemmWeights(from, bytes, w, format, steps, second, N, up, ROW, mc, nc, N, false);
    if (K > 0) {
      const place = <usize>(m0 * K);
      const at = place << 2;
      const s = slots + at;
      const g = weights + at;
      const hidden = h + 2 * place * rank;
      addExperts(mc, hidden, 2 * rank, b, s, g, scales, gate, ROW, K, R, 2 * M, n0, nc);
      addExperts(mc, hidden + rank, 2 * rank, b, s, g, scales, up, ROW, K, R, 2 * M, M + n0, nc);
    }
    for (let m: i32 = 0; m < mc; m++) {
      const at = <usize>m * ROW;
      swigluRow(gate + at, up + at, y + <usize>(m0 + m) * ldc + ((<usize>n0) << 2), nc);
    }
  }
}
