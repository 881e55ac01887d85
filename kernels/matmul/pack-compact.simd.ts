/**
 * Weights in a compact format, packed as `packB` packs f32 ones: the panels hold decoded values, so that a product's sums
 * are those of the decoded weights, bit for bit. Elements are transposed while they are small, then widened.
 */
import {
  F16, halfMask, halfScale, nibbleMask, nibbleZero, Q8, scaleBytes, valueBytes, widenHalves,
} from '../simd/formats.simd';

/**
 * w [nc, kc] to panels [nc / 8][kc][8]: rows are N elements apart, of which w is the first element's place and `scales`
 * its block's. kc is whole in the format's blocks (f16: in 8). What lies beyond nc repeats the last row.
 */
export function packCompact(
  w: usize, scales: usize, format: i32, N: usize, kc: i32, nc: i32, panels: usize,
): void {
  const row = valueBytes(format, N);
  for (let n: i32 = 0; n < nc; n += 8) {
    const p0 = w + <usize>n * row;
    const last = <usize>min(nc - n, 8) - 1;
    const p1 = p0 + min<usize>(1, last) * row, p2 = p0 + min<usize>(2, last) * row;
    const p3 = p0 + min<usize>(3, last) * row, p4 = p0 + min<usize>(4, last) * row;
    const p5 = p0 + min<usize>(5, last) * row, p6 = p0 + min<usize>(6, last) * row;
    const p7 = p0 + min<usize>(7, last) * row;
    const to = panels + (<usize>(n * kc) << 2);
    if (format == F16) packHalves(p0, p1, p2, p3, p4, p5, p6, p7, kc, to);
    else packQuants(p0, p1, p2, p3, p4, p5, p6, p7, scales + scaleBytes(<usize>n * N), scaleBytes(N), last, format, kc, to);
  }
}

function packHalves(
  p0: usize, p1: usize, p2: usize, p3: usize, p4: usize, p5: usize, p6: usize, p7: usize, kc: i32, to: usize,
): void {
  const mask = halfMask();
  const widen = halfScale();
  const end = <usize>kc << 1;
  for (let k: usize = 0; k < end; k += 16) {
    const r0 = v128.load(p0 + k), r1 = v128.load(p1 + k), r2 = v128.load(p2 + k), r3 = v128.load(p3 + k);
    const r4 = v128.load(p4 + k), r5 = v128.load(p5 + k), r6 = v128.load(p6 + k), r7 = v128.load(p7 + k);
    const a0 = low16(r0, r1), a1 = high16(r0, r1), a2 = low16(r2, r3), a3 = high16(r2, r3);
    const a4 = low16(r4, r5), a5 = high16(r4, r5), a6 = low16(r6, r7), a7 = high16(r6, r7);
    const b0 = low32(a0, a2), b1 = high32(a0, a2), b2 = low32(a1, a3), b3 = high32(a1, a3);
    const b4 = low32(a4, a6), b5 = high32(a4, a6), b6 = low32(a5, a7), b7 = high32(a5, a7);
    putHalves(low64(b0, b4), mask, widen, to);
    putHalves(high64(b0, b4), mask, widen, to + 32);
    putHalves(low64(b1, b5), mask, widen, to + 64);
    putHalves(high64(b1, b5), mask, widen, to + 96);
    putHalves(low64(b2, b6), mask, widen, to + 128);
    putHalves(high64(b2, b6), mask, widen, to + 160);
    putHalves(low64(b3, b7), mask, widen, to + 192);
    putHalves(high64(b3, b7), mask, widen, to + 224);
    to += 256;
  }
}

/** Blocks of 32 elements of eight rows; `last` is the number of the last row that is there. */
function packQuants(
  p0: usize, p1: usize, p2: usize, p3: usize, p4: usize, p5: usize, p6: usize, p7: usize,
  scales: usize, scaleRow: usize, last: usize, format: i32, kc: i32, to: usize,
): void {
  const mask = halfMask();
  const widen = halfScale();
  const nibble = nibbleMask();
  const zero = nibbleZero();
  const end = valueBytes(format, <usize>kc);
  let block: usize = 0;
  let s0 = f32x4.splat(0), s1 = f32x4.splat(0);
  for (let k: usize = 0; k < end; k += 16) {
    if (format != Q8 || (k & 16) == 0) {
      const s = scales + block;
      block += 2;
      let steps = i16x8.splat(load<i16>(s));
      steps = v128.load_lane<i16>(s + min<usize>(1, last) * scaleRow, steps, 1);
      steps = v128.load_lane<i16>(s + min<usize>(2, last) * scaleRow, steps, 2);
      steps = v128.load_lane<i16>(s + min<usize>(3, last) * scaleRow, steps, 3);
      steps = v128.load_lane<i16>(s + min<usize>(4, last) * scaleRow, steps, 4);
      steps = v128.load_lane<i16>(s + min<usize>(5, last) * scaleRow, steps, 5);
      steps = v128.load_lane<i16>(s + min<usize>(6, last) * scaleRow, steps, 6);
      steps = v128.load_lane<i16>(s + min<usize>(7, last) * scaleRow, steps, 7);
      s0 = widenHalves(i32x4.extend_low_i16x8_s(steps), mask, widen);
      s1 = widenHalves(i32x4.extend_high_i16x8_s(steps), mask, widen);
    }
    const r0 = v128.load(p0 + k), r1 = v128.load(p1 + k), r2 = v128.load(p2 + k), r3 = v128.load(p3 + k);
    const r4 = v128.load(p4 + k), r5 = v128.load(p5 + k), r6 = v128.load(p6 + k), r7 = v128.load(p7 + k);
    // Two columns of eight bytes in each of the last eight.
    const a0 = low8(r0, r1), a1 = high8(r0, r1), a2 = low8(r2, r3), a3 = high8(r2, r3);
    const a4 = low8(r4, r5), a5 = high8(r4, r5), a6 = low8(r6, r7), a7 = high8(r6, r7);
    const b0 = low16(a0, a2), b1 = high16(a0, a2), b2 = low16(a1, a3), b3 = high16(a1, a3);
    const b4 = low16(a4, a6), b5 = high16(a4, a6), b6 = low16(a5, a7), b7 = high16(a5, a7);
    const c0 = low32(b0, b4), c1 = high32(b0, b4), c2 = low32(b1, b5), c3 = high32(b1, b5);
    const c4 = low32(b2, b6), c5 = high32(b2, b6), c6 = low32(b3, b7), c7 = high32(b3, b7);
    if (format == Q8) {
      putBytes(c0, s0, s1, to);
      putBytes(c1, s0, s1, to + 64);
      putBytes(c2, s0, s1, to + 128);
      putBytes(c3, s0, s1, to + 192);
      putBytes(c4, s0, s1, to + 256);
      putBytes(c5, s0, s1, to + 320);
      putBytes(c6, s0, s1, to + 384);
      putBytes(c7, s0, s1, to + 448);
      to += 512;
    } else {
      putNibbles(c0, nibble, zero, s0, s1, to);
      putNibbles(c1, nibble, zero, s0, s1, to + 128);
      putNibbles(c2, nibble, zero, s0, s1, to + 256);
      putNibbles(c3, nibble, zero, s0, s1, to + 384);
      putNibbles(c4, nibble, zero, s0, s1, to + 512);
      putNibbles(c5, nibble, zero, s0, s1, to + 640);
      putNibbles(c6, nibble, zero, s0, s1, to + 768);
      putNibbles(c7, nibble, zero, s0, s1, to + 896);
      to += 1024;
    }
  }
}

/** One column of eight halves. */
@inline
function putHalves(column: v128, mask: v128, widen: v128, to: usize): void {
  v128.store(to, widenHalves(i32x4.extend_low_i16x8_s(column), mask, widen));
  v128.store(to, widenHalves(i32x4.extend_high_i16x8_s(column), mask, widen), 16);
}

/** Two columns of eight levels. */
@inline
function putBytes(columns: v128, s0: v128, s1: v128, to: usize): void {
  putLevels(i16x8.extend_low_i8x16_s(columns), s0, s1, to);
  putLevels(i16x8.extend_high_i8x16_s(columns), s0, s1, to + 32);
}

/** Two columns of eight bytes, four of levels. */
@inline
function putNibbles(columns: v128, nibble: v128, zero: v128, s0: v128, s1: v128, to: usize): void {
  const low = i8x16.sub(v128.and(columns, nibble), zero);
  const high = i8x16.sub(i8x16.shr_u(columns, 4), zero);
  putLevels(i16x8.extend_low_i8x16_s(low), s0, s1, to);
  putLevels(i16x8.extend_low_i8x16_s(high), s0, s1, to + 32);
  putLevels(i16x8.extend_high_i8x16_s(low), s0, s1, to + 64);
  putLevels(i16x8.extend_high_i8x16_s(high), s0, s1, to + 96);
}

@inline
function putLevels(levels: v128, s0: v128, s1: v128, to: usize): void {
  v128.store(to, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(levels)), s0));
  v128.store(to, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(levels)), s1), 16);
}

@inline
function low8(a: v128, b: v128): v128 {
  return v128.shuffle<i8>(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

@inline
function high8(a: v128, b: v128): v128 {
  return v128.shuffle<i8>(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

@inline
function low16(a: v128, b: v128): v128 {
  return v128.shuffle<i16>(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
}

@inline
function high16(a: v128, b: v128): v128 {
  return v128.shuffle<i16>(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
}

@inline
function low32(a: v128, b: v128): v128 {
  return v128.shuffle<i32>(a, b, 0, 4, 1, 5);
}

@inline
function high32(a: v128, b: v128): v128 {
  return v128.shuffle<i32>(a, b, 2, 6, 3, 7);
}

@inline
function low64(a: v128, b: v128): v128 {
  return v128.shuffle<i64>(a, b, 0, 2);
}

@inline
function high64(a: v128, b: v128): v128 {
  return v128.shuffle<i64>(a, b, 1, 3);
}
