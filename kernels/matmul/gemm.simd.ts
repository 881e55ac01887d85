/**
 * One tile of a matrix product, shared by `matmul` and attention: c (+)= a·b with arbitrary strides (in bytes).
 *
 * b is packed in panels of 8 columns, a only where its rows are not contiguous, both into the thread's scratch; a 6×8 block
 * of c then lives in registers (4×8, 2×8 and 1×8 for the last rows). An element of c is summed over k in order, in blocks
 * of 256: tile sizes do not show.
 */
import { F32, scaleBytes, valueBytes } from '../simd/formats.simd';
import { madd } from '../simd/lanes.simd';
import { packCompact } from './pack-compact.simd';
import { packA, packB } from './pack.simd';
import { rowProduct } from './row.simd';
import { scratch } from '../simd/scratch.simd';

const KC: i32 = 256;
const NC: i32 = 256;
const MC: i32 = 192;
const FEW: i32 = 12;
/** Scratch layout: packed b, packed a, one 6×8 block for ragged edges; callers may use what follows. */
const PACK_A: usize = <usize>(KC * NC * 4);
const EDGE: usize = PACK_A + <usize>(KC * (MC + 6) * 4);
export const GEMM_SCRATCH: usize = EDGE + 256;

export function gemm(
  a: usize, sam: usize, sak: usize,
  b: usize, sbk: usize, sbn: usize,
  c: usize, ldc: usize,
  M: i32, N: i32, K: i32, accumulate: bool,
): void {
  product(a, sam, sak, b, sbk, sbn, F32, 0, c, ldc, M, N, K, accumulate);
}

/**
 * The same with weights w […, row] of any format on the right, transposed: N rows of them and K elements of each, from
 * element `first` on. The rows of a are contiguous.
 */
export function gemmWeights(
  a: usize, sam: usize,
  w: usize, format: i32, scales: usize, first: usize, row: i32,
  c: usize, ldc: usize,
  M: i32, N: i32, K: i32, accumulate: bool,
): void {
  const stride = format == F32 ? <usize>row << 2 : <usize>row;
  const b = w + valueBytes(format, first);
  product(a, sam, 4, b, 4, stride, format, scales + scaleBytes(first), c, ldc, M, N, K, accumulate);
}

/** b is as the caller's strides say where it is f32; else its rows are contiguous, and `sbn` is in elements. */
function product(
  a: usize, sam: usize, sak: usize,
  b: usize, sbk: usize, sbn: usize, format: i32, scales: usize,
  c: usize, ldc: usize,
  M: i32, N: i32, K: i32, accumulate: bool,
): void {
  // A few rows read a panel of b once or twice: packed one at a time, it is still in the nearest cache.
  const step = M <= FEW && sbk == 4 ? 8 : NC;
  const alone = M == 1 && sak == 4 && sbk == 4;
  const elements = format == F32 ? sbn >> 2 : sbn;
  for (let n0: i32 = 0; n0 < N; n0 += step) {
    const nc = min(step, N - n0);
    for (let k0: i32 = 0; k0 < K; k0 += KC) {
      const kc = min(KC, K - k0);
      const add = accumulate || k0 > 0;
      if (alone && nc == 8 && (kc & 3) == 0) {
        const at = <usize>n0 * elements + <usize>k0;
        const to = c + (<usize>n0 << 2);
        rowProduct(a + (<usize>k0 << 2), b + valueBytes(format, at), scales + scaleBytes(at), format, elements, to, kc, add);
        continue;
      }
      if (format == F32) packB(b + <usize>k0 * sbk + <usize>n0 * sbn, sbk, sbn, kc, nc, scratch());
      else {
        const at = <usize>n0 * sbn + <usize>k0;
        packCompact(b + valueBytes(format, at), scales + scaleBytes(at), format, sbn, kc, nc, scratch());
      }
      for (let m0: i32 = 0; m0 < M; m0 += MC) {
        const mc = min(MC, M - m0);
        tile(a + <usize>m0 * sam + <usize>k0 * sak, sam, sak, c + <usize>m0 * ldc + (<usize>n0 << 2), ldc, mc, nc, kc, add);
      }
    }
  }
}

function tile(a: usize, sam: usize, sak: usize, c: usize, ldc: usize, mc: i32, nc: i32, kc: i32, add: bool): void {
  const packed = sak != 4 && mc >= 6;
  if (packed) packA(a, sam, sak, mc, kc, scratch() + PACK_A);
  for (let m: i32 = 0; m < mc; ) {
    const rows = blockRows(mc - m);
    let ap = a + <usize>m * sam;
    let rm = sam;
    let rk = sak;
    if (packed && rows == 6) {
      ap = scratch() + PACK_A + (<usize>(m * kc) << 2);
      rm = 4;
      rk = 24;
    }
    for (let n: i32 = 0; n < nc; n += 8) {
      const bp = scratch() + (<usize>(n * kc) << 2);
      const cp = c + <usize>m * ldc + (<usize>n << 2);
      if (n + 8 <= nc) block(rows, ap, rm, rk, bp, cp, ldc, kc, add);
      else edge(ap, rm, rk, bp, cp, ldc, kc, add, rows, nc - n);
    }
    m += rows;
  }
}

@inline
function blockRows(left: i32): i32 {
  return left >= 6 ? 6 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
}

@inline
function block(
  rows: i32, a: usize, sam: usize, sak: usize, b: usize, c: usize, ldc: usize, kc: i32, add: bool,
): void {
  if (rows == 6) block6(a, sam, sak, b, c, ldc, kc, add);
  else if (rows == 4) block4(a, sam, sak, b, c, ldc, kc, add);
  else if (rows == 2) block2(a, sam, sak, b, c, ldc, kc, add);
  else block1(a, sak, b, c, kc, add);
}

/** A block that hangs over the right edge: computed in scratch, then copied in part. */
function edge(a: usize, sam: usize, sak: usize, b: usize, c: usize, ldc: usize, kc: i32, add: bool, rows: i32, columns: i32): void {
  const t = scratch() + EDGE;
  block(rows, a, sam, sak, b, t, 32, kc, false);
  for (let i: i32 = 0; i < rows; i++) {
    for (let j: i32 = 0; j < columns; j++) {
      const p = c + <usize>i * ldc + (<usize>j << 2);
      const v = load<f32>(t + (<usize>(i * 8 + j) << 2));
      store<f32>(p, add ? load<f32>(p) + v : v);
    }
  }
}

@inline
function put(c: usize, v: v128, add: bool): void {
  v128.store(c, add ? f32x4.add(v128.load(c), v) : v);
}

function block1(a: usize, sak: usize, b: usize, c: usize, kc: i32, add: bool): void {
  let c0 = f32x4.splat(0);
  let c1 = f32x4.splat(0);
  for (let k: i32 = 0; k < kc; k++) {
    const x = v128.load32_splat(a);
    c0 = madd(x, v128.load(b), c0);
    c1 = madd(x, v128.load(b, 16), c1);
    a += sak;
    b += 32;
  }
  put(c, c0, add);
  put(c + 16, c1, add);
}

function block2(a: usize, sam: usize, sak: usize, b: usize, c: usize, ldc: usize, kc: i32, add: bool): void {
  let c00 = f32x4.splat(0), c01 = f32x4.splat(0);
  let c10 = f32x4.splat(0), c11 = f32x4.splat(0);
  let a1 = a + sam;
  const end = b + (<usize>kc << 5);
  while (b < end) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    let x = v128.load32_splat(a);
    c00 = madd(x, b0, c00);
    c01 = madd(x, b1, c01);
    x = v128.load32_splat(a1);
    c10 = madd(x, b0, c10);
    c11 = madd(x, b1, c11);
    a += sak;
    a1 += sak;
    b += 32;
  }
  put(c, c00, add);
  put(c + 16, c01, add);
  c += ldc;
  put(c, c10, add);
  put(c + 16, c11, add);
}

function block4(a: usize, sam: usize, sak: usize, b: usize, c: usize, ldc: usize, kc: i32, add: bool): void {
  let c00 = f32x4.splat(0), c01 = f32x4.splat(0);
  let c10 = f32x4.splat(0), c11 = f32x4.splat(0);
  let c20 = f32x4.splat(0), c21 = f32x4.splat(0);
  let c30 = f32x4.splat(0), c31 = f32x4.splat(0);
  let a1 = a + sam, a2 = a1 + sam, a3 = a2 + sam;
  const end = b + (<usize>kc << 5);
  while (b < end) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    let x = v128.load32_splat(a);
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
    a += sak;
    a1 += sak;
    a2 += sak;
    a3 += sak;
    b += 32;
  }
  put(c, c00, add);
  put(c + 16, c01, add);
  c += ldc;
  put(c, c10, add);
  put(c + 16, c11, add);
  c += ldc;
  put(c, c20, add);
  put(c + 16, c21, add);
  c += ldc;
  put(c, c30, add);
  put(c + 16, c31, add);
}

function block6(a: usize, sam: usize, sak: usize, b: usize, c: usize, ldc: usize, kc: i32, add: bool): void {
  let c00 = f32x4.splat(0), c01 = f32x4.splat(0);
  let c10 = f32x4.splat(0), c11 = f32x4.splat(0);
  let c20 = f32x4.splat(0), c21 = f32x4.splat(0);
  let c30 = f32x4.splat(0), c31 = f32x4.splat(0);
  let c40 = f32x4.splat(0), c41 = f32x4.splat(0);
  let c50 = f32x4.splat(0), c51 = f32x4.splat(0);
  let a1 = a + sam, a2 = a1 + sam, a3 = a2 + sam, a4 = a3 + sam, a5 = a4 + sam;
  const end = b + (<usize>kc << 5);
  while (b < end) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    let x = v128.load32_splat(a);
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
    a += sak;
    a1 += sak;
    a2 += sak;
    a3 += sak;
    a4 += sak;
    a5 += sak;
    b += 32;
  }
  put(c, c00, add);
  put(c + 16, c01, add);
  c += ldc;
  put(c, c10, add);
  put(c + 16, c11, add);
  c += ldc;
  put(c, c20, add);
  put(c + 16, c21, add);
  c += ldc;
  put(c, c30, add);
  put(c + 16, c31, add);
  c += ldc;
  put(c, c40, add);
  put(c + 16, c41, add);
  c += ldc;
  put(c, c50, add);
  put(c + 16, c51, add);
}
