/**
 * What the chosen experts of tokens add to a part of their rows, shared by every kernel that ends with it. Tokens of one
 * expert are done together; which are together never shows.
 *
 * It needs `GROUPED_SCRATCH` and R · 1024 bytes at the start of the thread's scratch.
 */
import { addColumns, addLastColumns, PANELS } from './columns.simd';
import { GROUPED_SCRATCH, groupIndex, listRow, nextGroup, ROWS, startGroups } from './grouped.simd';
import { madd } from './lanes.simd';
import { scratch } from './scratch.simd';

/** Fewer rows than this do not pay for a transposed panel. */
const FEW: i32 = 3;

/**
 * For each of `rows` tokens: y[0..columns) += Σ_k weights[k] · scales[s] · B[s][first + i] · h[k], s = slots[k]. A token has
 * K places in slots and weights; its hidden rows are `stride` bytes apart, place after place; its row of y is `ldy` bytes
 * from the last one's. b [S, M, R].
 */
export function addExperts(
  rows: i32, h: usize, stride: usize, b: usize, slots: usize, weights: usize, scales: usize, y: usize, ldy: usize,
  K: i32, R: i32, M: i32, first: i32, columns: i32,
): void {
  const rank = (<usize>R) << 2;
  const places = (<usize>K) << 2;
  const whole = columns & ~7;
  for (let t0: i32 = 0; t0 < rows; t0 += ROWS) {
    const n = min(ROWS, rows - t0);
    // The experts of a token are added in their order, whatever other tokens chose.
    for (let k: i32 = 0; k < K; k++) {
      const mine = slots + ((<usize>(t0 * K + k)) << 2);
      startGroups(n);
      for (let count = nextGroup(mine, places, n); count > 0; count = nextGroup(mine, places, n)) {
        const slot = load<u32>(mine + <usize>groupIndex(0) * places);
        const scale = load<f32>(scales + ((<usize>slot) << 2));
        const matrix = b + (<usize>slot * <usize>M + <usize>first) * rank;
        for (let i: i32 = 0; i < count; i++) {
          const t = t0 + groupIndex(i);
          const place = <usize>(t * K + k);
          const factor = load<f32>(weights + (place << 2)) * scale;
          listRow(i, h + place * stride, y + <usize>t * ldy, factor);
          if (count < FEW) expandOne(h + place * stride, matrix, factor, y + <usize>t * ldy, whole, R);
        }
        if (count >= FEW) expandMany(count, matrix, whole, R);
        if (whole < columns) addLastColumns(count, matrix, 4, rank, R, whole, columns);
      }
    }
  }
}

function expandMany(count: i32, b: usize, M8: i32, R: i32): void {
  const panels = scratch() + GROUPED_SCRATCH;
  const rank = (<usize>R) << 2;
  for (let m: i32 = 0; m < M8; m += PANELS) {
    const columns = min(PANELS, M8 - m);
    for (let i: i32 = 0; i < columns; i += 8) {
      const from = b + <usize>(m + i) * rank;
      const to = panels + <usize>i * rank;
      transposeHalf(from, rank, to, R);
      transposeHalf(from + 4 * rank, rank, to + 16, R);
    }
    addColumns(count, panels, 8 * rank, 32, R, (<usize>m) << 2, columns);
  }
}

/** Four rows of b [M, R] to one half of a panel [R, 8]. */
function transposeHalf(from: usize, rank: usize, to: usize, R: i32): void {
  let r: i32 = 0;
  for (; r + 4 <= R; r += 4) {
    const r0 = v128.load(from);
    const r1 = v128.load(from + rank);
    const r2 = v128.load(from + 2 * rank);
    const r3 = v128.load(from + 3 * rank);
    const t0 = v128.shuffle<i32>(r0, r1, 0, 4, 1, 5);
    const t1 = v128.shuffle<i32>(r0, r1, 2, 6, 3, 7);
    const t2 = v128.shuffle<i32>(r2, r3, 0, 4, 1, 5);
    const t3 = v128.shuffle<i32>(r2, r3, 2, 6, 3, 7);
    v128.store(to, v128.shuffle<i64>(t0, t2, 0, 2));
    v128.store(to, v128.shuffle<i64>(t0, t2, 1, 3), 32);
    v128.store(to, v128.shuffle<i64>(t1, t3, 0, 2), 64);
    v128.store(to, v128.shuffle<i64>(t1, t3, 1, 3), 96);
    from += 16;
    to += 128;
  }
  for (; r < R; r++) {
    for (let i: usize = 0; i < 4; i++) store<f32>(to + (i << 2), load<f32>(from + i * rank));
    from += 4;
    to += 32;
  }
}

/** One row: the same sums in the same order, transposed in registers. */
function expandOne(h: usize, b: usize, factor: f32, y: usize, M8: i32, R: i32): void {
  const rank = (<usize>R) << 2;
  const f = f32x4.splat(factor);
  for (let m: i32 = 0; m < M8; m += 4) {
    let sum = f32x4.splat(0);
    let from = b + <usize>m * rank;
    let x = h;
    let r: i32 = 0;
    for (; r + 4 <= R; r += 4) {
      const r0 = v128.load(from);
      const r1 = v128.load(from + rank);
      const r2 = v128.load(from + 2 * rank);
      const r3 = v128.load(from + 3 * rank);
      const t0 = v128.shuffle<i32>(r0, r1, 0, 4, 1, 5);
      const t1 = v128.shuffle<i32>(r0, r1, 2, 6, 3, 7);
      const t2 = v128.shuffle<i32>(r2, r3, 0, 4, 1, 5);
      const t3 = v128.shuffle<i32>(r2, r3, 2, 6, 3, 7);
      sum = madd(v128.load32_splat(x), v128.shuffle<i64>(t0, t2, 0, 2), sum);
      sum = madd(v128.load32_splat(x, 4), v128.shuffle<i64>(t0, t2, 1, 3), sum);
      sum = madd(v128.load32_splat(x, 8), v128.shuffle<i64>(t1, t3, 0, 2), sum);
      sum = madd(v128.load32_splat(x, 12), v128.shuffle<i64>(t1, t3, 1, 3), sum);
      from += 16;
      x += 16;
    }
    for (; r < R; r++) {
      let column = v128.load32_splat(from);
      column = v128.load_lane<f32>(from + rank, column, 1);
      column = v128.load_lane<f32>(from + 2 * rank, column, 2);
      column = v128.load_lane<f32>(from + 3 * rank, column, 3);
      sum = madd(v128.load32_splat(x), column, sum);
      from += 4;
      x += 4;
    }
    v128.store(y, madd(f, sum, v128.load(y)));
    y += 16;
  }
}
