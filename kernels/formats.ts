/**
 * How tensors lie in memory, by type. The compact formats hold rows of n elements:
 *
 * - `f16`: IEEE halves. n is a multiple of 8.
 * - `q8`: blocks of 32 along a row, one scale each: d = (largest magnitude) / 127, q = round(x / d) as int8, x ≈ d · q.
 * - `q4`: blocks of 32: d = (value of largest magnitude, with its sign) / −8, q = round(x / d) + 8 within 0 to 15,
 *   x ≈ d · (q − 8). Element j of eight is nibble j, from the lowest, of a 32-bit word.
 *
 * q8 and q4 have all quants of the tensor first, row by row, then all scales as halves in the same order, then zeros up to a
 * multiple of 16 bytes: 8.5 and 4.5 bits an element. n is a multiple of 32.
 */
import type { CompactFormat, ElementType } from './kernel.ts';

export type StorageType = ElementType | CompactFormat;

/** Elements that share a scale. */
export const QUANT_BLOCK = 32;

/** Rows must be whole in these many elements. */
export const ROW_MULTIPLE: Readonly<Record<StorageType, number>> = { f32: 1, u32: 1, f16: 8, q8: 32, q4: 32 };

const VALUE_BYTES: Readonly<Record<StorageType, number>> = { f32: 4, u32: 4, f16: 2, q8: 1, q4: 0.5 };

/** Bytes of the quants (or of everything, where a format has no scales) of `count` elements. */
export function valueBytes(type: StorageType, count: number): number {
  return count * VALUE_BYTES[type];
}

/** Bytes of a tensor of `count` elements, scales and padding included. */
export function tensorBytes(type: StorageType, count: number): number {
  const values = valueBytes(type, count);
  if (type !== 'q8' && type !== 'q4') return values;
  return Math.ceil((values + (count / QUANT_BLOCK) * 2) / 16) * 16;
}
