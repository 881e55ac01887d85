/** Products of listed rows with a matrix whose rows lie as they do: dot products, six rows by two in registers. */
import { listedX, listedY } from './grouped.simd';
import { madd } from './lanes.simd';

/** y = w x of each listed row, w [rows, K]: a dot product is summed by four lanes and then a tail. */
export function dotRows(count: i32, w: usize, ldw: usize, K: i32, rows: i32): void {
  const rows4 = rows & ~3;
  let q: i32 = 0;
  for (; q + 6 <= count; q += 6) {
    for (let r: i32 = 0; r < rows4; r += 2) dots6(q, w + <usize>r * ldw, ldw, K, (<usize>r) << 2);
  }
  for (; q < count; q++) {
    for (let r: i32 = 0; r < rows4; r += 4) dots1(q, w + <usize>r * ldw, ldw, K, (<usize>r) << 2);
  }
  for (let r = rows4; r < rows; r++) {
    for (q = 0; q < count; q++) {
      store<f32>(listedY(q) + ((<usize>r) << 2), laneDot(w + <usize>r * ldw, listedX(q), K));
    }
  }
}

/** Six rows by two: as many accumulators as registers hold. */
function dots6(q: i32, w: usize, ldw: usize, K: i32, at: usize): void {
  let c00 = f32x4.splat(0), c01 = f32x4.splat(0);
  let c10 = f32x4.splat(0), c11 = f32x4.splat(0);
  let c20 = f32x4.splat(0), c21 = f32x4.splat(0);
  let c30 = f32x4.splat(0), c31 = f32x4.splat(0);
  let c40 = f32x4.splat(0), c41 = f32x4.splat(0);
  let c50 = f32x4.splat(0), c51 = f32x4.splat(0);
  let x0 = listedX(q), x1 = listedX(q + 1), x2 = listedX(q + 2);
  let x3 = listedX(q + 3), x4 = listedX(q + 4), x5 = listedX(q + 5);
  let w0 = w, w1 = w + ldw;
  const end = x0 + (<usize>(K & ~3) << 2);
  while (x0 < end) {
    const m0 = v128.load(w0);
    const m1 = v128.load(w1);
    let x = v128.load(x0);
    c00 = madd(x, m0, c00);
    c01 = madd(x, m1, c01);
    x = v128.load(x1);
    c10 = madd(x, m0, c10);
    c11 = madd(x, m1, c11);
    x = v128.load(x2);
    c20 = madd(x, m0, c20);
    c21 = madd(x, m1, c21);
    x = v128.load(x3);
    c30 = madd(x, m0, c30);
    c31 = madd(x, m1, c31);
    x = v128.load(x4);
    c40 = madd(x, m0, c40);
    c41 = madd(x, m1, c41);
    x = v128.load(x5);
    c50 = madd(x, m0, c50);
    c51 = madd(x, m1, c51);
    x0 += 16;
    x1 += 16;
    x2 += 16;
    x3 += 16;
    x4 += 16;
    x5 += 16;
    w0 += 16;
    w1 += 16;
  }
  const rest = K & 3;
  storeSums(listedY(q) + at, c00, c01, x0, w0, w1, rest);
  storeSums(listedY(q + 1) + at, c10, c11, x1, w0, w1, rest);
  storeSums(listedY(q + 2) + at, c20, c21, x2, w0, w1, rest);
  storeSums(listedY(q + 3) + at, c30, c31, x3, w0, w1, rest);
  storeSums(listedY(q + 4) + at, c40, c41, x4, w0, w1, rest);
  storeSums(listedY(q + 5) + at, c50, c51, x5, w0, w1, rest);
}

/** The lane sums of two accumulators, each with its last `rest` products. */
@inline
function storeSums(y: usize, c0: v128, c1: v128, x: usize, w0: usize, w1: usize, rest: i32): void {
  let s0 = laneSum(c0), s1 = laneSum(c1);
  for (let i: i32 = 0; i < rest; i++) {
    const at = <usize>i << 2;
    s0 += load<f32>(x + at) * load<f32>(w0 + at);
    s1 += load<f32>(x + at) * load<f32>(w1 + at);
  }
  store<f32>(y, s0);
  store<f32>(y, s1, 4);
}

@inline
function laneSum(v: v128): f32 {
  return f32x4.extract_lane(v, 0) + f32x4.extract_lane(v, 1) + (f32x4.extract_lane(v, 2) + f32x4.extract_lane(v, 3));
}

function dots1(q: i32, w: usize, ldw: usize, K: i32, at: usize): void {
  let c0 = f32x4.splat(0), c1 = f32x4.splat(0), c2 = f32x4.splat(0), c3 = f32x4.splat(0);
  let x = listedX(q);
  let w0 = w, w1 = w0 + ldw, w2 = w1 + ldw, w3 = w2 + ldw;
  const end = x + (<usize>(K & ~3) << 2);
  while (x < end) {
    const a = v128.load(x);
    c0 = madd(a, v128.load(w0), c0);
    c1 = madd(a, v128.load(w1), c1);
    c2 = madd(a, v128.load(w2), c2);
    c3 = madd(a, v128.load(w3), c3);
    x += 16;
    w0 += 16;
    w1 += 16;
    w2 += 16;
    w3 += 16;
  }
  v128.store(listedY(q) + at, sums(c0, c1, c2, c3, x, w0, ldw, K & 3));
}

/** The lane sums of four accumulators as one vector, each with its last `rest` products. */
@inline
function sums(c0: v128, c1: v128, c2: v128, c3: v128, x: usize, w: usize, ldw: usize, rest: i32): v128 {
  const t0 = v128.shuffle<i32>(c0, c1, 0, 4, 1, 5);
  const t1 = v128.shuffle<i32>(c0, c1, 2, 6, 3, 7);
  const t2 = v128.shuffle<i32>(c2, c3, 0, 4, 1, 5);
  const t3 = v128.shuffle<i32>(c2, c3, 2, 6, 3, 7);
  const low = f32x4.add(v128.shuffle<i64>(t0, t2, 0, 2), v128.shuffle<i64>(t0, t2, 1, 3));
  const high = f32x4.add(v128.shuffle<i64>(t1, t3, 0, 2), v128.shuffle<i64>(t1, t3, 1, 3));
  let total = f32x4.add(low, high);
  for (let i: i32 = 0; i < rest; i++) {
    const at = <usize>i << 2;
    let column = v128.load32_splat(w + at);
    column = v128.load_lane<f32>(w + ldw + at, column, 1);
    column = v128.load_lane<f32>(w + 2 * ldw + at, column, 2);
    column = v128.load_lane<f32>(w + 3 * ldw + at, column, 3);
    total = f32x4.add(total, f32x4.mul(v128.load32_splat(x + at), column));
  }
  return total;
}

function laneDot(a: usize, b: usize, n: i32): f32 {
  let s = f32x4.splat(0);
  let i: i32 = 0;
  for (; i + 4 <= n; i += 4) s = madd(v128.load(a + (<usize>i << 2)), v128.load(b + (<usize>i << 2)), s);
  let sum = laneSum(s);
  for (; i < n; i++) sum += load<f32>(a + (<usize>i << 2)) * load<f32>(b + (<usize>i << 2));
  return sum;
}
