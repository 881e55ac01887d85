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
    putHalves(low32(a0, a2), low32(a4, a6), mask, widen, to);
    putHalves(high32(a0, a2), high32(a4, a6), mask, widen, to + 64);
    putHalves(low32(a1, a3), low32(a5, a7), mask, widen, to + 128);
    putHalves(high32(a1, a3), high32(a5, a7), mask, widen, to + 192);
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
    const a0 = low8(r0, r1), a1 = high8(r0, r1), a2 = low8(r2, r3), a3 = high8(r2, r3);
    const a4 = low8(r4, r5), a5 = high8(r4, r5), a6 = low8(r6, r7), a7 = high8(r6, r7);
    if (format == Q8) {
      putBytes(low16(a0, a2), low16(a4, a6), s0, s1, to);
      putBytes(high16(a0, a2), high16(a4, a6), s0, s1, to + 128);
      putBytes(low16(a1, a3), low16(a5, a7), s0, s1, to + 256);
      putBytes(high16(a1, a3), high16(a5, a7), s0, s1, to + 384);
      to += 512;
    } else {
      putNibbles(low16(a0, a2), low16(a4, a6), nibble, zero, s0, s1, to);
      putNibbles(high16(a0, a2), high16(a4, a6), nibble, zero, s0, s1, to + 256);
      putNibbles(low16(a1, a3), low16(a5, a7), nibble, zero, s0, s1, to + 512);
      putNibbles(high16(a1, a3), high16(a5, a7), nibble, zero, s0, s1, to + 768);
      to += 1024;
    }
  }
}

/** Two columns of four halves each, of the upper and of the lower four rows. */
@inline
function putHalves(upper: v128, lower: v128, mask: v128, widen: v128, to: usize): void {
  v128.store(to, widenHalves(i32x4.extend_low_i16x8_s(upper), mask, widen));
  v128.store(to, widenHalves(i32x4.extend_low_i16x8_s(lower), mask, widen), 16);
  v128.store(to, widenHalves(i32x4.extend_high_i16x8_s(upper), mask, widen), 32);
  v128.store(to, widenHalves(i32x4.extend_high_i16x8_s(lower), mask, widen), 48);
}

/** Four columns of four levels each, likewise. */
@inline
function putBytes(upper: v128, lower: v128, s0: v128, s1: v128, to: usize): void {
  putLevels(i16x8.extend_low_i8x16_s(upper), s0, to, 32);
  putLevels(i16x8.extend_low_i8x16_s(lower), s1, to + 16, 32);
  putLevels(i16x8.extend_high_i8x16_s(upper), s0, to + 64, 32);
  putLevels(i16x8.extend_high_i8x16_s(lower), s1, to + 80, 32);
}

/** Four columns of four bytes each, two levels to a byte: eight columns. */
@inline
function putNibbles(
  upper: v128, lower: v128, nibble: v128, zero: v128, s0: v128, s1: v128, to: usize,
): void {
  putAlternate(i8x16.sub(v128.and(upper, nibble), zero), s0, to);
  putAlternate(i8x16.sub(v128.and(lower, nibble), zero), s1, to + 16);
  putAlternate(i8x16.sub(i8x16.shr_u(upper, 4), zero), s0, to + 32);
  putAlternate(i8x16.sub(i8x16.shr_u(lower, 4), zero), s1, to + 48);
}

/** Four columns of four levels each to every other column of a panel. */
@inline
function putAlternate(levels: v128, scale: v128, to: usize): void {
  putLevels(i16x8.extend_low_i8x16_s(levels), scale, to, 64);
  putLevels(i16x8.extend_high_i8x16_s(levels), scale, to + 128, 64);
}

/** Two columns of four levels, `next` bytes apart. */
@inline
function putLevels(levels: v128, scale: v128, to: usize, next: usize): void {
  v128.store(to, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(levels)), scale));
  v128.store(to + next, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(levels)), scale));
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
