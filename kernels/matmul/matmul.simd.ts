import { tileColumns, tileRows } from '../simd/tile.simd';
import { gemm } from './gemm.simd';

export function matmul(
  a: usize,
  b: usize,
  c: usize,
  M: i32,
  N: i32,
  K: i32,
  a_transposed: i32,
  b_transposed: i32,
  accumulate: i32,
  start: i32,
  end: i32,
): void {
  const sam: usize = a_transposed ? 4 : (<usize>K) << 2;
  const sak: usize = a_transposed ? (<usize>M) << 2 : 4;
  const sbk: usize = b_transposed ? 4 : (<usize>N) << 2;
  const sbn: usize = b_transposed ? (<usize>K) << 2 : 4;
  const ldc: usize = (<usize>N) << 2;
  const rows = tileRows(M);
  const columns = tileColumns(M);
  const across = (N + columns - 1) / columns;
  for (let item = start; item < end; item++) {
    const m0 = (item / across) * rows;
    const n0 = (item % across) * columns;
    gemm(
      a + <usize>m0 * sam,
      sam,
      sak,
      b + <usize>n0 * sbn,
      sbk,
      sbn,
      c + <usize>m0 * ldc + ((<usize>n0) << 2),
      ldc,
      min(rows, M - m0),
      min(columns, N - n0),
      K,
      accumulate != 0,
    );
  }
}
