/**
 * IEEE halves, on whole arrays. Widening is exact; narrowing rounds to the nearest value, ties to even, as IEEE 754 does.
 * Little-endian, as every JavaScript machine in use is.
 */

/** All 65,536 halves as floats: a look-up is faster than bit tricks, and Float16Array is not everywhere yet. */
let halves: Float32Array | undefined;

export function halfTable(): Float32Array {
  if (halves !== undefined) return halves;
  const table = new Float32Array(65_536);
  for (let bits = 0; bits < 65_536; bits++) {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >>> 10) & 0x1f;
    const fraction = bits & 0x3ff;
    if (exponent === 0) table[bits] = sign * fraction * 2 ** -24;
    else if (exponent < 31) table[bits] = sign * (1024 + fraction) * 2 ** (exponent - 25);
    else table[bits] = fraction === 0 ? sign * Infinity : NaN;
  }
  halves = table;
  return table;
}

export function halfToFloat(source: Uint16Array): Float32Array {
  const table = halfTable();
  const result = new Float32Array(source.length);
  for (let i = 0; i < source.length; i++) result[i] = table[source[i]!]!;
  return result;
}

const HALF_OVERFLOW = (127 + 16) << 23;
const HALF_NORMAL = (127 - 14) << 23;
const INFINITY_BITS = 0x7f80_0000;

/** Values from 65,520 up become infinite; NaN stays NaN. */
export function floatToHalf(source: Float32Array): Uint16Array<ArrayBuffer> {
  const bits = new Uint32Array(source.buffer, source.byteOffset, source.length);
  const result = new Uint16Array(source.length);
  for (let i = 0; i < bits.length; i++) {
    const word = bits[i]!;
    const magnitude = word & 0x7fff_ffff;
    let half: number;
    if (magnitude >= HALF_OVERFLOW) half = magnitude > INFINITY_BITS ? 0x7e00 : 0x7c00;
    else if (magnitude < HALF_NORMAL) half = subnormalHalf(Math.abs(source[i]!));
    else half = (magnitude - ((127 - 15) << 23) + 0xfff + ((magnitude >>> 13) & 1)) >>> 13;
    result[i] = ((word >>> 16) & 0x8000) | half;
  }
  return result;
}

/** Multiples of 2^-24; 1,024 of them carry into the smallest normal number, as they should. */
function subnormalHalf(magnitude: number): number {
  const scaled = magnitude * 2 ** 24;
  const below = Math.floor(scaled);
  const rest = scaled - below;
  return rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? below + 1 : below;
}
