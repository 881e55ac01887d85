/** Values into tensors of any storage format; see `kernels/formats.ts`. */
import { encodePart } from '../../kernels/formats-encode.ts';
import type { CompactFormat } from '../../kernels/kernel.ts';
import { invariant } from '../base/invariant.ts';
import type { Device, Tensor } from './device.ts';
import { elements } from './tensors.ts';

export { UnstorableValueError } from '../../kernels/formats-encode.ts';
export { ROW_MULTIPLE, tensorBytes } from '../../kernels/formats.ts';
export { floatToHalf, halfToFloat } from '../../kernels/halves.ts';

/** How numbers may be kept. */
export type NumberFormat = 'f32' | CompactFormat;

/** Elements encoded at a time, so that a large tensor is not in memory once more. */
const CHUNK = 2 ** 20;

/**
 * Writes elements [first, first + values.length) of a tensor, encoded as it is; `encodePart` says where parts begin and end.
 * Returns the bytes written. Throws `UnstorableValueError`.
 */
export async function writePart(
  device: Device,
  tensor: Tensor,
  values: Float32Array,
  first = 0,
): Promise<number> {
  const { type, buffer, byteOffset } = tensor;
  invariant(type !== 'u32', 'numbers are written');
  const count = elements(tensor.shape);
  let written = 0;
  for (let at = 0; at < values.length; at += CHUNK) {
    for (const piece of encodePart(type, values.subarray(at, at + CHUNK), first + at, count)) {
      await device.write(buffer, byteOffset + piece.byteOffset, piece.bytes);
      written += piece.bytes.length;
    }
  }
  return written;
}
