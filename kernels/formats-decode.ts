/** The storage formats (see formats.ts) back to f32. */
import { QUANT_BLOCK, valueBytes } from './formats.ts';
import { halfTable } from './halves.ts';
import type { CompactFormat } from './kernel.ts';

/** Decodes a whole tensor of `values.length` elements; `bytes` begin at an even offset of their buffer. Exact in f32. */
export function decodeTensor(
  type: CompactFormat,
  bytes: Uint8Array,
  values: Float32Array | Float64Array,
): void {
  const table = halfTable();
  const count = values.length;
  if (type === 'f16') {
    const words = new Uint16Array(bytes.buffer, bytes.byteOffset, count);
    for (let i = 0; i < count; i++) values[i] = table[words[i]!]!;
    return;
  }
  const scalesAt = bytes.byteOffset + valueBytes(type, count);
  const scales = new Uint16Array(bytes.buffer, scalesAt, count / QUANT_BLOCK);
  for (let i = 0; i < count; i++) {
    const step = table[scales[Math.floor(i / QUANT_BLOCK)]!]!;
    values[i] =
      step * (type === 'q8' ? (bytes[i]! << 24) >> 24 : ((bytes[i >> 1]! >> ((i & 1) * 4)) & 15) - 8);
  }
}
