import { addColumns, addLastColumns } from '../simd/columns.simd';
import { GROUPED_SCRATCH, groupIndex, listRow, nextGroup, ROWS, startGroups } from '../simd/grouped.simd';
import { axpy, dot } from '../simd/lanes.simd';
import { scratch } from '../simd/scratch.simd';

export function expert_expand_backward(
  h: usize,
  b: usize,
  slots: usize,
  weights: usize,
  scales: usize,
  dy: usize,
  dh: usize,
  dweights: usize,
  T: i32,
  K: i32,
  R: i32,
  M: i32,
  start: i32,
  end: i32,
): void {
  const rank = (<usize>R) << 2;
  const row = (<usize>M) << 2;
  const stride = (<usize>K) << 2;
  const R8 = R & ~7;
  const u = scratch() + GROUPED_SCRATCH;
  for (let t0 = start; t0 < end; t0 += ROWS) {
    const n = min(ROWS, end - t0);
    memory.fill(dh + <usize>(t0 * K) * rank, 0, <usize>(n * K) * rank);
    for (let k: i32 = 0; k < K; k++) {
      const mine = slots + ((<usize>(t0 * K + k)) << 2);
      startGroups(n);
      for (let count = nextGroup(mine, stride, n); count > 0; count = nextGroup(mine, stride, n)) {
        const slot = load<u32>(mine + <usize>groupIndex(0) * stride);
        memory.fill(u, 0, <usize>count * rank);
        for (let i: i32 = 0; i < count; i++) {
          listRow(i, dy + <usize>(t0 + groupIndex(i)) * row, u + <usize>i * rank, 1);
        }
        const matrix = b + <usize>slot * <usize>M * rank;
        addColumns(count, matrix, 32, rank, M, 0, R8);
        if (R8 < R) addLastColumns(count, matrix, rank, 4, M, R8, R);
        const scale = load<f32>(scales + ((<usize>slot) << 2));
        for (let i: i32 = 0; i < count; i++) {
          const place = <usize>((t0 + groupIndex(i)) * K + k);
          const mineU = u + <usize>i * rank;
          axpy(load<f32>(weights + (place << 2)) * scale, mineU, dh + place * rank, R);
          const d = dweights + (place << 2);
          store<f32>(d, load<f32>(d) + scale * dot(h + place * rank, mineU, R));
        }
      }
    }
  }
}
