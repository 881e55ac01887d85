import { dotRows } from '../simd/dots.simd';
import { groupIndex, listRow, nextGroup, ROWS, startGroups } from '../simd/grouped.simd';

const NONE: u32 = 0xffffffff;

export function expert_shrink(
  x: usize,
  a: usize,
  slots: usize,
  h: usize,
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
  for (let t0 = start; t0 < end; t0 += ROWS) {
    const n = min(ROWS, end - t0);
    for (let k: i32 = 0; k < K; k++) {
      const mine = slots + ((<usize>(t0 * K + k)) << 2);
      for (let i: i32 = 0; i < n; i++) {
        if (load<u32>(mine + <usize>i * stride) != NONE) continue;
        memory.fill(h + <usize>((t0 + i) * K + k) * rank, 0, rank);
      }
      startGroups(n);
      for (let count = nextGroup(mine, stride, n); count > 0; count = nextGroup(mine, stride, n)) {
        const slot = load<u32>(mine + <usize>groupIndex(0) * stride);
        for (let i: i32 = 0; i < count; i++) {
          const t = t0 + groupIndex(i);
          listRow(i, x + <usize>t * row, h + <usize>(t * K + k) * rank, 1);
        }
        dotRows(count, a + <usize>slot * <usize>R * row, row, N, R);
      }
    }
  }
}
