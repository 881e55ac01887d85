/** Products of listed rows with a matrix whose rows are the sum's index: six rows by eight columns in registers. */
import { listedFactor, listedX, listedY, SPARE } from './grouped.simd';
import { madd } from './lanes.simd';
import { scratch } from './scratch.simd';

/** Columns whose panels are packed together, so that whole cache lines of a row are touched at once. */
export const PANELS: i32 = 256;

/**
 * y[j] += factor · Σ_k x[k] w[k, j] of each listed row, for `columns` columns, a multiple of eight. Panel i of eight
 * columns begins `panel · i` bytes after w, its rows are `ldw` apart; y lies `at` bytes on.
 */
export function addColumns(count: i32, w: usize, panel: usize, ldw: usize, K: i32, at: usize, columns: i32): void {
  const end = at + (<usize>columns << 2);
  for (let q: i32 = 0; q < count; q += 6) {
    let p = w;
    for (let to = at; to < end; to += 32) {
      block6(q, min(count - q, 6), p, ldw, K, to);
      p += panel;
    }
  }
}

/** The same for the columns [from, J), which are fewer than eight, of w [K, J] with strides in bytes. */
export function addLastColumns(count: i32, w: usize, wk: usize, wj: usize, K: i32, from: i32, J: i32): void {
  for (let q: i32 = 0; q < count; q++) {
    const x = listedX(q);
    for (let j = from; j < J; j++) {
      let sum: f32 = 0;
      for (let k: i32 = 0; k < K; k++) sum += load<f32>(x + (<usize>k << 2)) * load<f32>(w + <usize>k * wk + <usize>j * wj);
      const y = listedY(q) + (<usize>j << 2);
      store<f32>(y, load<f32>(y) + load<f32>(listedFactor(q)) * sum);
    }
  }
}

/** Rows that are missing from the last block repeat its last one and end in a spare place. */
function block6(q: i32, rows: i32, w: usize, ldw: usize, K: i32, at: usize): void {
  let c00 = f32x4.splat(0), c01 = f32x4.splat(0);
  let c10 = f32x4.splat(0), c11 = f32x4.splat(0);
  let c20 = f32x4.splat(0), c21 = f32x4.splat(0);
  let c30 = f32x4.splat(0), c31 = f32x4.splat(0);
  let c40 = f32x4.splat(0), c41 = f32x4.splat(0);
  let c50 = f32x4.splat(0), c51 = f32x4.splat(0);
  const last = q + rows - 1;
  const q1 = min(q + 1, last), q2 = min(q + 2, last), q3 = min(q + 3, last);
  const q4 = min(q + 4, last), q5 = min(q + 5, last);
  let a0 = listedX(q), a1 = listedX(q1), a2 = listedX(q2);
  let a3 = listedX(q3), a4 = listedX(q4), a5 = listedX(q5);
  const end = a0 + (<usize>K << 2);
  while (a0 < end) {
    const b0 = v128.load(w);
    const b1 = v128.load(w, 16);
    let x = v128.load32_splat(a0);
    c00 = madd(x, b0, c00);
    c01 = madd(x, b1, c01);
    x = v128.load32_splat(a1);
    c10 = madd(x, b0, c10);
    c11 = madd(x, b1, c11);
    x = v128.load32_splat(a2);
    c20 = madd(x, b0, c20);
    c21 = madd(x, b1, c21);
    x = v128.load32_splat(a3);
    c30 = madd(x, b0, c30);
    c31 = madd(x, b1, c31);
    x = v128.load32_splat(a4);
    c40 = madd(x, b0, c40);
    c41 = madd(x, b1, c41);
    x = v128.load32_splat(a5);
    c50 = madd(x, b0, c50);
    c51 = madd(x, b1, c51);
    a0 += 4;
    a1 += 4;
    a2 += 4;
    a3 += 4;
    a4 += 4;
    a5 += 4;
    w += ldw;
  }
  const spare = scratch() + SPARE;
  add8(listedY(q) + at, listedFactor(q), c00, c01);
  add8(rows > 1 ? listedY(q1) + at : spare, listedFactor(q1), c10, c11);
  add8(rows > 2 ? listedY(q2) + at : spare, listedFactor(q2), c20, c21);
  add8(rows > 3 ? listedY(q3) + at : spare, listedFactor(q3), c30, c31);
  add8(rows > 4 ? listedY(q4) + at : spare, listedFactor(q4), c40, c41);
  add8(rows > 5 ? listedY(q5) + at : spare, listedFactor(q5), c50, c51);
}

@inline
function add8(y: usize, factor: usize, c0: v128, c1: v128): void {
  const f = v128.load32_splat(factor);
  v128.store(y, madd(f, c0, v128.load(y)));
  v128.store(y, madd(f, c1, v128.load(y, 16)), 16);
}
