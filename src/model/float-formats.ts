/**
 * Conversions between f32 and bfloat16 on whole arrays. Widening is exact; narrowing rounds to the nearest value, ties to
 * even, as PyTorch does. Little-endian, as every JavaScript machine in use is. Halves: `kernels/halves.ts`.
 */

export function bfloatToFloat(source: Uint16Array): Float32Array {
  const bits = new Uint32Array(source.length);
  for (let i = 0; i < source.length; i++) bits[i] = source[i]! << 16;
  return new Float32Array(bits.buffer);
}

const INFINITY_BITS = 0x7f80_0000;

/** NaN stays NaN. */
export function floatToBfloat(source: Float32Array): Uint16Array {
  const bits = new Uint32Array(source.buffer, source.byteOffset, source.length);
  const result = new Uint16Array(source.length);
  for (let i = 0; i < bits.length; i++) {
    const word = bits[i]!;
    const isNaN = (word & 0x7fff_ffff) > INFINITY_BITS;
    result[i] = isNaN ? (word >>> 16) | 0x40 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  }
  return result;
}
