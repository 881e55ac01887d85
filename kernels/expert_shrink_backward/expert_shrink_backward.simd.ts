import { addColumns, addLastColumns, PANELS } from '../simd/columns.simd';
import { GROUPED_SCRATCH, groupIndex, listRow, nextGroup, ROWS, startGroups } from '../simd/grouped.simd';
import { scratch } from '../simd/scratch.simd';

export function expert_shrink_backward(
  dh: usize,
  a: usize,
  slots: usize,
  dx: usize,
  T: i32,
  K: i32,
  R: i32,
  N: i32,
  start: i32,
  end: i32,
): void {
  const row = (<usize>N) << 2;
  const rank = (<usize>R) << 2;
  const stride = (<usize>K) << 2;
  const panels = scratch() + GROUPED_SCRATCH;
  const N8 = N & ~7;
  for (let t0 = start; t0 < end; t0 += ROWS) {
    const n = min(ROWS, end - t0);
    // The experts of a token are added in their order, whatever other tokens chose.
    for (let k: i32 = 0; k < K; k++) {
      const mine = slots + ((<usize>(t0 * K + k)) << 2);
      startGroups(n);
      for (let count = nextGroup(mine, stride, n); count > 0; count = nextGroup(mine, stride, n)) {
        const slot = load<u32>(mine + <usize>groupIndex(0) * stride);
        for (let i: i32 = 0; i < count; i++) {
          const t = t0 + groupIndex(i);
          listRow(i, dh + <usize>(t * K + k) * rank, dx + <usize>t * row, 1);
        }
        const matrix = a + <usize>slot * <usize>R * row;
        for (let c: i32 = 0; c < N8; c += PANELS) {
          const columns = min(PANELS, N8 - c);
          const at = (<usize>c) << 2;
          for (let i: i32 = 0; i < columns; i += 8) {
            copyColumns(matrix + at + ((<usize>i) << 2), row, panels + <usize>i * rank, R);
          }
          addColumns(count, panels, 8 * rank, 32, R, at, columns);
        }
        if (N8 < N) addLastColumns(count, matrix, row, 4, R, N8, N);
      }
    }
  }
}

/** Eight columns of a [R, N], side by side. */
function copyColumns(from: usize, row: usize, to: usize, R: i32): void {
  for (let r: i32 = 0; r < R; r++) {
    v128.store(to, v128.load(from));
    v128.store(to, v128.load(from, 16), 16);
    from += row;
    to += 32;
  }
}
