import { listRow, ROWS } from '../simd/grouped.simd';
import { addOuter } from '../simd/outer.simd';

/** Columns in one work item. */
const STRIP: i32 = 64;

export function expert_shrink_backward_weight(
  dh: usize,
  x: usize,
  slots: usize,
  da: usize,
  T: i32,
  K: i32,
  R: i32,
  N: i32,
  S: i32,
  start: i32,
  end: i32,
): void {
  const row = (<usize>N) << 2;
  const rank = (<usize>R) << 2;
  const strips = (N + STRIP - 1) / STRIP;
  for (let item = start; item < end; item++) {
    const s = item / strips;
    const c0 = (item % strips) * STRIP;
    const columns = min(STRIP, N - c0);
    const at = (<usize>c0) << 2;
    const out = da + <usize>s * <usize>R * row + at;
    let count: i32 = 0;
    for (let i: i32 = 0; i < T * K; i++) {
      if (load<u32>(slots + ((<usize>i) << 2)) != <u32>s) continue;
      listRow(count, dh + <usize>i * rank, x + <usize>(i / K) * row, 1);
      count++;
      if (count < ROWS) continue;
      addOuter(count, out, row, R, columns, 0, at);
      count = 0;
    }
    addOuter(count, out, row, R, columns, 0, at);
  }
}
