/** f32 to the storage formats (see formats.ts), a part of a tensor at a time. */
import { QUANT_BLOCK, tensorBytes, valueBytes, type StorageType } from './formats.ts';
import { floatToHalf, halfToFloat } from './halves.ts';
import type { CompactFormat } from './kernel.ts';

/** A value that a format cannot hold: not a number, infinite, or too large. */
export class UnstorableValueError extends Error {}

/** Bytes of a tensor and where in it they go. */
export interface Piece {
  readonly byteOffset: number;
  readonly bytes: Uint8Array;
}

/** From this magnitude up a half is infinite. */
const HALF_LIMIT = 65_520;
/** What a block's largest magnitude is divided by. */
const LEVELS = { q8: 127, q4: 8 } as const;

/**
 * The bytes of elements [first, first + values.length) of a tensor of `count` elements, row-major. Parts that are not the
 * last begin and end at even elements, those of q8 and q4 at even blocks, since devices write whole words. The pieces of
 * all parts together are the tensor, padding included. Throws `UnstorableValueError`.
 */
export function encodePart(
  type: Exclude<StorageType, 'u32'>,
  values: Float32Array,
  first: number,
  count: number,
): readonly Piece[] {
  if (type === 'f32') return [{ byteOffset: first * 4, bytes: bytesOf(values) }];
  if (type === 'f16') return [{ byteOffset: first * 2, bytes: bytesOf(encodeHalves(values)) }];
  const { quants, scales } = type === 'q8' ? encodeQ8(values) : encodeQ4(values);
  const scalesAt = valueBytes(type, count) + (first / QUANT_BLOCK) * 2;
  let scaleBytes = bytesOf(scales);
  if (first + values.length === count) {
    const padded = new Uint8Array(tensorBytes(type, count) - scalesAt);
    padded.set(scaleBytes);
    scaleBytes = padded;
  }
  return [
    { byteOffset: valueBytes(type, first), bytes: quants },
    { byteOffset: scalesAt, bytes: scaleBytes },
  ];
}

/** A whole tensor. Throws `UnstorableValueError`. */
export function encodeTensor(
  type: Exclude<StorageType, 'u32'>,
  values: Float32Array,
): Uint8Array<ArrayBuffer> {
  const tensor = new Uint8Array(tensorBytes(type, values.length));
  for (const { byteOffset, bytes } of encodePart(type, values, 0, values.length))
    tensor.set(bytes, byteOffset);
  return tensor;
}

function encodeHalves(values: Float32Array): Uint16Array {
  for (let i = 0; i < values.length; i++) {
    if (!(Math.abs(values[i]!) < HALF_LIMIT)) throw unstorable('f16', values[i]!);
  }
  return floatToHalf(values);
}

interface Quantised {
  readonly quants: Uint8Array;
  /** Halves, one a block. */
  readonly scales: Uint16Array;
}

function encodeQ8(values: Float32Array): Quantised {
  const steps = new Float32Array(values.length / QUANT_BLOCK);
  for (let block = 0; block < steps.length; block++) {
    steps[block] = Math.abs(extreme('q8', values, block)) / LEVELS.q8;
  }
  const scales = floatToHalf(steps);
  const rounded = halfToFloat(scales);
  const quants = new Uint8Array(values.length);
  for (let block = 0, i = 0; block < steps.length; block++) {
    const inverse = reciprocal(rounded[block]!);
    for (const end = i + QUANT_BLOCK; i < end; i++) {
      // A step that was rounded down, as a tiny one is, leaves the largest values beyond the last level.
      const level = ((values[i]! * inverse + 128.5) | 0) - 128;
      quants[i] = level > 127 ? 127 : level < -127 ? -127 : level;
    }
  }
  return { quants, scales };
}

function encodeQ4(values: Float32Array): Quantised {
  const steps = new Float32Array(values.length / QUANT_BLOCK);
  for (let block = 0; block < steps.length; block++) {
    steps[block] = extreme('q4', values, block) / -LEVELS.q4;
  }
  const scales = floatToHalf(steps);
  const rounded = halfToFloat(scales);
  const quants = new Uint8Array(values.length / 2);
  for (let block = 0, i = 0; block < steps.length; block++) {
    const inverse = reciprocal(rounded[block]!);
    for (const end = i + QUANT_BLOCK; i < end; i += 2) {
      quants[i >> 1] = level4(values[i]! * inverse) | (level4(values[i + 1]! * inverse) << 4);
    }
  }
  return { quants, scales };
}

function level4(value: number): number {
  const level = (value + 8.5) | 0;
  return level > 15 ? 15 : level < 0 ? 0 : level;
}

/** The first value of largest magnitude. */
function extreme(type: 'q8' | 'q4', values: Float32Array, block: number): number {
  const limit = HALF_LIMIT * LEVELS[type];
  let value = 0;
  let most = 0;
  const first = block * QUANT_BLOCK;
  for (let i = first; i < first + QUANT_BLOCK; i++) {
    const magnitude = Math.abs(values[i]!);
    if (!(magnitude < limit)) throw unstorable(type, values[i]!);
    if (magnitude > most) {
      most = magnitude;
      value = values[i]!;
    }
  }
  return value;
}

/** A step of zero has no levels: all values of its block are too small for any. */
function reciprocal(step: number): number {
  return step === 0 ? 0 : 1 / step;
}

function unstorable(type: CompactFormat, value: number): UnstorableValueError {
  return new UnstorableValueError(`${type} cannot hold the value ${value}`);
}

function bytesOf(array: Float32Array | Uint16Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
