/**
 * Weights in a compact format, packed as `packB` packs f32 ones: the panels hold decoded values, so that a product's sums
 * are those of the decoded weights, bit for bit. Four rows are transposed word by word, then each element of the words is
 * shifted into place.
 */
import {
  anyHighHalves, anySmall, elementMask, F16, fourScales, elementFactor, highHalves, levels, lowHalves, nibbleFlip, Q8, scaleBytes, valueBytes,
} from '../simd/formats.simd';
import { high32, high64, low32, low64 } from '../simd/shuffles.simd';

/**
 * w [nc, kc] to panels [nc / 8][kc][8]: rows are N elements apart, of which w is the first element's place and `scales`
 * its block's. kc is a multiple of 8 (f16) or 32. What lies beyond nc repeats the last row.
 */
export function packCompact(
  w: usize, scales: usize, format: i32, N: usize, kc: i32, nc: i32, panels: usize,
): void {
  const row = valueBytes(format, N);
  const next = scaleBytes(N);
  const last = nc - 1;
  for (let n: i32 = 0; n < nc; n += 8) {
    const to = panels + (<usize>(n * kc) << 2);
    for (let i: i32 = 0; i < 8; i += 4) {
      const n0 = <usize>min(n + i, last), n1 = <usize>min(n + i + 1, last);
      const n2 = <usize>min(n + i + 2, last), n3 = <usize>min(n + i + 3, last);
      const half = to + (<usize>i << 2);
      if (format == F16) packHalves(w + n0 * row, w + n1 * row, w + n2 * row, w + n3 * row, kc, half);
      else {
        packLevels(
          w + n0 * row, w + n1 * row, w + n2 * row, w + n3 * row,
          scales + n0 * next, scales + n1 * next, scales + n2 * next, scales + n3 * next, format, kc, half,
        );
      }
    }
  }
}

/** Four rows of halves to one half of a panel. */
function packHalves(p0: usize, p1: usize, p2: usize, p3: usize, kc: i32, to: usize): void {
  const mask = elementMask(F16), factor = elementFactor(F16);
  const end = <usize>kc << 1;
  for (let k: usize = 0; k < end; k += 16) {
    const r0 = v128.load(p0 + k), r1 = v128.load(p1 + k), r2 = v128.load(p2 + k), r3 = v128.load(p3 + k);
    const t0 = low32(r0, r1), t1 = high32(r0, r1), t2 = low32(r2, r3), t3 = high32(r2, r3);
    const w0 = low64(t0, t2), w1 = high64(t0, t2), w2 = low64(t1, t3), w3 = high64(t1, t3);
    if (anySmall(w0, w1, w2, w3)) {
      putAnyHalves(w0, to);
      putAnyHalves(w1, to + 64);
      putAnyHalves(w2, to + 128);
      putAnyHalves(w3, to + 192);
    } else {
      putHalves(w0, mask, factor, to);
      putHalves(w1, mask, factor, to + 64);
      putHalves(w2, mask, factor, to + 128);
      putHalves(w3, mask, factor, to + 192);
    }
    to += 256;
  }
}

@inline
function putHalves(words: v128, mask: v128, factor: v128, to: usize): void {
  v128.store(to, lowHalves(words, mask, factor));
  v128.store(to, highHalves(words, mask, factor), 32);
}

/** The same where some are subnormal. Not inlined: it is rare. */
function putAnyHalves(words: v128, to: usize): void {
  v128.store(to, anyHighHalves(i32x4.shl(words, 16)));
  v128.store(to, anyHighHalves(words), 32);
}

/** Four rows of blocks to one half of a panel. */
function packLevels(
  p0: usize, p1: usize, p2: usize, p3: usize, s0: usize, s1: usize, s2: usize, s3: usize,
  format: i32, kc: i32, to: usize,
): void {
  const mask = elementMask(format), factor = elementFactor(format);
  const flip = nibbleFlip();
  const blocks = scaleBytes(<usize>kc);
  let k: usize = 0;
  for (let block: usize = 0; block < blocks; block += 2) {
    const scales = fourScales(s0 + block, s1 + block, s2 + block, s3 + block, factor);
    for (const end = k + valueBytes(format, 32); k < end; k += 16) {
      const r0 = v128.load(p0 + k), r1 = v128.load(p1 + k), r2 = v128.load(p2 + k), r3 = v128.load(p3 + k);
      const t0 = low32(r0, r1), t1 = high32(r0, r1), t2 = low32(r2, r3), t3 = high32(r2, r3);
      if (format == Q8) {
        putBytes(low64(t0, t2), mask, scales, to);
        putBytes(high64(t0, t2), mask, scales, to + 128);
        putBytes(low64(t1, t3), mask, scales, to + 256);
        putBytes(high64(t1, t3), mask, scales, to + 384);
        to += 512;
      } else {
        putNibbles(v128.xor(low64(t0, t2), flip), mask, scales, to);
        putNibbles(v128.xor(high64(t0, t2), flip), mask, scales, to + 256);
        putNibbles(v128.xor(low64(t1, t3), flip), mask, scales, to + 512);
        putNibbles(v128.xor(high64(t1, t3), flip), mask, scales, to + 768);
        to += 1024;
      }
    }
  }
}

@inline
function putBytes(words: v128, mask: v128, scales: v128, to: usize): void {
  v128.store(to, levels(words, 24, mask, scales));
  v128.store(to, levels(words, 16, mask, scales), 32);
  v128.store(to, levels(words, 8, mask, scales), 64);
  v128.store(to, levels(words, 0, mask, scales), 96);
}

@inline
function putNibbles(words: v128, mask: v128, scales: v128, to: usize): void {
  v128.store(to, levels(words, 28, mask, scales));
  v128.store(to, levels(words, 24, mask, scales), 32);
  v128.store(to, levels(words, 20, mask, scales), 64);
  v128.store(to, levels(words, 16, mask, scales), 96);
  v128.store(to, levels(words, 12, mask, scales), 128);
  v128.store(to, levels(words, 8, mask, scales), 160);
  v128.store(to, levels(words, 4, mask, scales), 192);
  v128.store(to, levels(words, 0, mask, scales), 224);
}
