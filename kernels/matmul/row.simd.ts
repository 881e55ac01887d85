/**
 * One row of a by eight rows of weights: what a token alone needs of a product. Weights are transposed in registers, since
 * nobody reads them twice; the sums are those of a block of packed panels, in the same order, bit for bit.
 */
import {
  anyHighHalves, anySmall, elementMask, F16, F32, fourScales, elementFactor, highHalves, levels, lowHalves, nibbleFlip, Q8, scaleBytes, valueBytes,
} from '../simd/formats.simd';
import { madd } from '../simd/lanes.simd';
import { high32, high64, low32, low64 } from '../simd/shuffles.simd';

/**
 * c[0..8) (+)= a [kc] · rows of w, which are N elements apart. kc is a multiple of 4 (f32), 8 (f16) or 32; w and `scales`
 * are the places of the first element and of its block.
 */
export function rowProduct(
  a: usize, w: usize, scales: usize, format: i32, N: usize, c: usize, kc: i32, add: bool,
): void {
  const row = valueBytes(format, N);
  const half = row << 2;
  const end = a + (<usize>kc << 2);
  let c0 = f32x4.splat(0), c1 = f32x4.splat(0);
  if (format == F32) {
    for (; a < end; a += 16) {
      c0 = addFloats(c0, w, row, a);
      c1 = addFloats(c1, w + half, row, a);
      w += 16;
    }
  } else if (format == F16) {
    const mask = elementMask(F16), factor = elementFactor(F16);
    for (; a < end; a += 32) {
      c0 = addHalves(c0, w, row, mask, factor, a);
      c1 = addHalves(c1, w + half, row, mask, factor, a);
      w += 16;
    }
  } else {
    const mask = elementMask(format), factor = elementFactor(format);
    const flip = nibbleFlip();
    const next = scaleBytes(N);
    for (; a < end; a += 128) {
      const q = scales + (next << 2);
      const s0 = fourScales(scales, scales + next, scales + 2 * next, scales + 3 * next, factor);
      const s1 = fourScales(q, q + next, q + 2 * next, q + 3 * next, factor);
      if (format == Q8) {
        c0 = addBytes(c0, w, row, mask, s0, a);
        c1 = addBytes(c1, w + half, row, mask, s1, a);
        c0 = addBytes(c0, w + 16, row, mask, s0, a + 64);
        c1 = addBytes(c1, w + half + 16, row, mask, s1, a + 64);
        w += 32;
      } else {
        c0 = addNibbles(c0, w, row, mask, flip, s0, a);
        c1 = addNibbles(c1, w + half, row, mask, flip, s1, a);
        w += 16;
      }
      scales += 2;
    }
  }
  v128.store(c, add ? f32x4.add(v128.load(c), c0) : c0);
  v128.store(c, add ? f32x4.add(v128.load(c, 16), c1) : c1, 16);
}

/** Four elements of four rows. */
@inline
function addFloats(c: v128, w: usize, row: usize, a: usize): v128 {
  const r0 = v128.load(w), r1 = v128.load(w + row), r2 = v128.load(w + 2 * row), r3 = v128.load(w + 3 * row);
  const t0 = low32(r0, r1), t1 = high32(r0, r1), t2 = low32(r2, r3), t3 = high32(r2, r3);
  c = madd(v128.load32_splat(a), low64(t0, t2), c);
  c = madd(v128.load32_splat(a, 4), high64(t0, t2), c);
  c = madd(v128.load32_splat(a, 8), low64(t1, t3), c);
  return madd(v128.load32_splat(a, 12), high64(t1, t3), c);
}

/** Eight elements of four rows. */
@inline
function addHalves(c: v128, w: usize, row: usize, mask: v128, factor: v128, a: usize): v128 {
  const r0 = v128.load(w), r1 = v128.load(w + row), r2 = v128.load(w + 2 * row), r3 = v128.load(w + 3 * row);
  const t0 = low32(r0, r1), t1 = high32(r0, r1), t2 = low32(r2, r3), t3 = high32(r2, r3);
  const w0 = low64(t0, t2), w1 = high64(t0, t2), w2 = low64(t1, t3), w3 = high64(t1, t3);
  if (anySmall(w0, w1, w2, w3)) {
    c = addAnyTwo(c, w0, a);
    c = addAnyTwo(c, w1, a + 8);
    c = addAnyTwo(c, w2, a + 16);
    return addAnyTwo(c, w3, a + 24);
  }
  c = addTwo(c, w0, mask, factor, a);
  c = addTwo(c, w1, mask, factor, a + 8);
  c = addTwo(c, w2, mask, factor, a + 16);
  return addTwo(c, w3, mask, factor, a + 24);
}

@inline
function addTwo(c: v128, words: v128, mask: v128, factor: v128, a: usize): v128 {
  c = madd(v128.load32_splat(a), lowHalves(words, mask, factor), c);
  return madd(v128.load32_splat(a, 4), highHalves(words, mask, factor), c);
}

/** The same sums where some halves are subnormal. Not inlined: it is rare. */
function addAnyTwo(c: v128, words: v128, a: usize): v128 {
  c = madd(v128.load32_splat(a), anyHighHalves(i32x4.shl(words, 16)), c);
  return madd(v128.load32_splat(a, 4), anyHighHalves(words), c);
}

/** Sixteen elements of four rows. */
@inline
function addBytes(c: v128, w: usize, row: usize, mask: v128, scales: v128, a: usize): v128 {
  const r0 = v128.load(w), r1 = v128.load(w + row), r2 = v128.load(w + 2 * row), r3 = v128.load(w + 3 * row);
  const t0 = low32(r0, r1), t1 = high32(r0, r1), t2 = low32(r2, r3), t3 = high32(r2, r3);
  c = addFour(c, low64(t0, t2), mask, scales, a);
  c = addFour(c, high64(t0, t2), mask, scales, a + 16);
  c = addFour(c, low64(t1, t3), mask, scales, a + 32);
  return addFour(c, high64(t1, t3), mask, scales, a + 48);
}

@inline
function addFour(c: v128, words: v128, mask: v128, scales: v128, a: usize): v128 {
  c = madd(v128.load32_splat(a), levels(words, 24, mask, scales), c);
  c = madd(v128.load32_splat(a, 4), levels(words, 16, mask, scales), c);
  c = madd(v128.load32_splat(a, 8), levels(words, 8, mask, scales), c);
  return madd(v128.load32_splat(a, 12), levels(words, 0, mask, scales), c);
}

/** Thirty-two elements of four rows. */
@inline
function addNibbles(c: v128, w: usize, row: usize, mask: v128, flip: v128, scales: v128, a: usize): v128 {
  const r0 = v128.load(w), r1 = v128.load(w + row), r2 = v128.load(w + 2 * row), r3 = v128.load(w + 3 * row);
  const t0 = low32(r0, r1), t1 = high32(r0, r1), t2 = low32(r2, r3), t3 = high32(r2, r3);
  c = addEight(c, v128.xor(low64(t0, t2), flip), mask, scales, a);
  c = addEight(c, v128.xor(high64(t0, t2), flip), mask, scales, a + 32);
  c = addEight(c, v128.xor(low64(t1, t3), flip), mask, scales, a + 64);
  return addEight(c, v128.xor(high64(t1, t3), flip), mask, scales, a + 96);
}

@inline
function addEight(c: v128, words: v128, mask: v128, scales: v128, a: usize): v128 {
  c = madd(v128.load32_splat(a), levels(words, 28, mask, scales), c);
  c = madd(v128.load32_splat(a, 4), levels(words, 24, mask, scales), c);
  c = madd(v128.load32_splat(a, 8), levels(words, 20, mask, scales), c);
  c = madd(v128.load32_splat(a, 12), levels(words, 16, mask, scales), c);
  c = madd(v128.load32_splat(a, 16), levels(words, 12, mask, scales), c);
  c = madd(v128.load32_splat(a, 20), levels(words, 8, mask, scales), c);
  c = madd(v128.load32_splat(a, 24), levels(words, 4, mask, scales), c);
  return madd(v128.load32_splat(a, 28), levels(words, 0, mask, scales), c);
}
