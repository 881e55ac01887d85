/** The storage formats of weights (see ../formats.ts), as a device names them: each takes half the bytes of the one before. */
export const F32: i32 = 0;
export const F16: i32 = 1;
export const Q8: i32 = 2;
export const Q4: i32 = 3;

/** Constants in memory, where a load is cheaper than what V8 makes of a vector constant in a loop. */
const CONSTANTS = memory.data<u32>([0x8fffffff, 0x77800000, 0x0f0f0f0f, 0x08080808]);

/** Clears the three bits that a sign leaves beside itself when it is extended and shifted. */
@inline
export function halfMask(): v128 {
  return v128.load32_splat(CONSTANTS);
}

/** 2¹¹²: the distance of the exponents' biases. */
@inline
export function halfScale(): v128 {
  return v128.load32_splat(CONSTANTS, 4);
}

@inline
export function nibbleMask(): v128 {
  return v128.load32_splat(CONSTANTS, 8);
}

/** Level zero of `q4`. */
@inline
export function nibbleZero(): v128 {
  return v128.load32_splat(CONSTANTS, 12);
}

/** Four finite halves, each sign-extended to 32 bits, as floats; subnormal ones too. */
@inline
export function widenHalves(halves: v128, mask: v128, scale: v128): v128 {
  return f32x4.mul(v128.and(i32x4.shl(halves, 13), mask), scale);
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
  const mask = halfMask();
  const widen = halfScale();
  if (format == F16) {
    for (; to < end; to += 16) {
      v128.store(to, widenHalves(v128.load_ext<i16>(p), mask, widen));
      p += 8;
    }
    return;
  }
  let s = scales + scaleBytes(first);
  for (; to < end; s += 2) {
    const step = widenHalves(i32x4.splat(load<i16>(s)), mask, widen);
    for (const last = to + 128; to < last; to += 32) {
      const levels = format == Q8 ? v128.load_ext<i8>(p) : nibbles(p);
      v128.store(to, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(levels)), step));
      v128.store(to, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(levels)), step), 16);
      p += valueBytes(format, 8);
    }
  }
}

/** The eight levels of a 32-bit word of `q4`. */
@inline
function nibbles(p: usize): v128 {
  const bytes = v128.load32_splat(p);
  const low = v128.and(bytes, nibbleMask());
  const high = i8x16.shr_u(bytes, 4);
  const levels = v128.shuffle<i8>(low, high, 0, 16, 1, 17, 2, 18, 3, 19, 0, 16, 1, 17, 2, 18, 3, 19);
  return i16x8.extend_low_i8x16_s(i8x16.sub(levels, nibbleZero()));
}
