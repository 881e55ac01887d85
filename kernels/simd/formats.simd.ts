/** The storage formats of weights (see ../formats.ts), as a device names them: each takes half the bytes of the one before. */
export const F32: i32 = 0;
export const F16: i32 = 1;
export const Q8: i32 = 2;
export const Q4: i32 = 3;

/**
 * Constants in memory, where a load is cheaper than what V8 makes of a vector constant in a loop: masks of a half's bits
 * after its shift and of the topmost byte and nibble; 2¹¹² for halves, 2⁻²⁴ and 2⁻²⁸ for levels that lie that far up; what
 * makes a nibble a signed number; and for halves in the upper 16 bits their magnitude, their sign, 112 as an exponent, and
 * 2⁻¹⁴; magnitudes of halves side by side, and the smallest normal one.
 */
const CONSTANTS = memory.data<u32>([
  0x8fffe000, 0xff000000, 0xf0000000, 0x77800000, 0x33800000, 0x31800000, 0x88888888, 0x7fff0000, 0x80000000, 0x38000000,
  0x38800000, 0x7fff7fff, 0x04000400,
]);

@inline
function constant(index: usize): v128 {
  return v128.load32_splat(CONSTANTS + (index << 2));
}

/** What the bits of an element are masked with, after its shift. */
@inline
export function elementMask(format: i32): v128 {
  return constant(<usize>(format - F16));
}

/** What the masked element is multiplied with to be its value, where it has no scale or a scale of one. */
@inline
export function elementFactor(format: i32): v128 {
  return constant(3 + <usize>(format - F16));
}

@inline
export function nibbleFlip(): v128 {
  return constant(6);
}

/** Four normal halves, in the low 16 bits each, as floats by the mask and the factor of f16. */
@inline
export function lowHalves(words: v128, mask: v128, factor: v128): v128 {
  return highHalves(i32x4.shl(words, 16), mask, factor);
}

/** The same of the high 16 bits. Subnormal ones are right, too, but processors are slow at them. */
@inline
export function highHalves(words: v128, mask: v128, factor: v128): v128 {
  return f32x4.mul(v128.and(i32x4.shr_s(words, 3), mask), factor);
}

/** Whether any of the halves in four vectors is subnormal or zero. */
@inline
export function anySmall(r0: v128, r1: v128, r2: v128, r3: v128): bool {
  const magnitude = constant(11);
  const s0 = i16x8.min_s(v128.and(r0, magnitude), v128.and(r1, magnitude));
  const s1 = i16x8.min_s(v128.and(r2, magnitude), v128.and(r3, magnitude));
  return v128.any_true(i16x8.lt_s(i16x8.min_s(s0, s1), constant(12)));
}

/**
 * Any four finite halves, in the high 16 bits, as floats, without a subnormal float on the way. With 112 added to its exponent
 * a normal half is right; a subnormal one of value 2 f is f + 2⁻¹⁵ then, which is below 2⁻¹⁴.
 */
@inline
export function anyHighHalves(words: v128): v128 {
  const near = i32x4.add(i32x4.shr_u(v128.and(words, constant(7)), 3), constant(9));
  const exact = f32x4.add(near, f32x4.pmin(f32x4.splat(0), f32x4.sub(near, constant(10))));
  return v128.or(exact, v128.and(words, constant(8)));
}

/** Levels whose lowest bit is `shift` below their place at the top of a word, times scales that make up for that place. */
@inline
export function levels(words: v128, shift: i32, mask: v128, scales: v128): v128 {
  return f32x4.mul(f32x4.convert_i32x4_s(v128.and(i32x4.shl(words, shift), mask)), scales);
}

/** Scales of the blocks of four rows, for `levels`, which lie as far up as `factor` makes up for. */
@inline
export function fourScales(s0: usize, s1: usize, s2: usize, s3: usize, factor: v128): v128 {
  let halves = i32x4.splat(<i32>load<u16>(s0));
  halves = i32x4.replace_lane(halves, 1, <i32>load<u16>(s1));
  halves = i32x4.replace_lane(halves, 2, <i32>load<u16>(s2));
  halves = i32x4.replace_lane(halves, 3, <i32>load<u16>(s3));
  return f32x4.mul(anyHighHalves(i32x4.shl(halves, 16)), factor);
}

/** Bytes of the values of so many elements, without scales. */
@inline
export function valueBytes(format: i32, elements: usize): usize {
  return (elements << 2) >> format;
}

/** Bytes of the scales of so many elements, a multiple of 32. */
@inline
export function scaleBytes(elements: usize): usize {
  return elements >> 4;
}

/** n elements from element `first` on of a tensor, as f32. */
export function decode(from: usize, scales: usize, format: i32, first: usize, n: i32, to: usize): void {
  let p = from + valueBytes(format, first);
  if (format == F32) {
    memory.copy(to, p, <usize>n << 2);
    return;
  }
  const end = to + (<usize>n << 2);
  if (format == F16) {
    for (; to < end; to += 4) {
      store<f32>(to, half(p));
      p += 2;
    }
    return;
  }
  let s = scales + scaleBytes(first);
  for (; to < end; s += 2) {
    const step = half(s);
    for (const last = to + 128; to < last; to += 8) {
      store<f32>(to, step * (format == Q8 ? <f32>load<i8>(p) : <f32>((<i32>load<u8>(p) & 15) - 8)));
      store<f32>(to + 4, step * (format == Q8 ? <f32>load<i8>(p, 1) : <f32>((<i32>load<u8>(p) >> 4) - 8)));
      p += valueBytes(format, 2);
    }
  }
}

@inline
function half(p: usize): f32 {
  return f32x4.extract_lane(anyHighHalves(i32x4.splat(<i32>load<u16>(p) << 16)), 0);
}
