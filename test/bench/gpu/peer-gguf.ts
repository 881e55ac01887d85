/**
 * The bench's models for llama.cpp: GGUF files of random numbers in the format that is nearest to one of ours, written piece
 * by piece, since they may be larger than memory. One block of numbers repeats, as in ours.
 */
import { open, type FileHandle } from 'node:fs/promises';
import { createRandom } from '../../../src/base/random.ts';
import { checkpointShapes } from '../../../src/model/checkpoint.ts';
import type { ModelConfig } from '../../../src/model/config.ts';
import { floatToHalf, type NumberFormat } from '../../../src/tensor/formats.ts';
import { elements } from '../../../src/tensor/tensors.ts';
import { GGUF_ALIGNMENT, ggufModelHeader } from '../../support/gguf.ts';

/** Of blocks of elements: a half as their scale comes first, where there is one, then the numbers. */
const TYPES = {
  f32: { type: 'f32', block: 1, bytes: 4 },
  f16: { type: 'f16', block: 1, bytes: 2 },
  q8: { type: 'q8_0', block: 32, bytes: 34 },
  q4: { type: 'q4_0', block: 32, bytes: 18 },
} as const;

/** Of the weights. */
const DEVIATION = 0.02;
const REPEATED = 1 << 17;

export async function writeRandomGguf(
  config: ModelConfig,
  format: NumberFormat,
  path: string,
): Promise<void> {
  const tensors = [...checkpointShapes(config)].map(([name, shape]) => {
    const stored = shape.length === 1 ? 'f32' : format;
    const { type, block, bytes } = TYPES[stored];
    return { name, shape, stored, type, byteLength: (elements(shape) / block) * bytes };
  });
  const file = await open(path, 'w');
  try {
    await file.write(ggufModelHeader(config, tensors));
    const [vectors, matrices] = [blocksOf('f32', 1), blocksOf(format, 0)];
    for (const { shape, byteLength } of tensors) {
      await fill(file, shape.length === 1 ? vectors : matrices, byteLength);
    }
  } finally {
    await file.close();
  }
}

async function fill(file: FileHandle, bytes: Uint8Array, byteLength: number): Promise<void> {
  for (let at = 0; at < byteLength; at += bytes.length) {
    await file.write(bytes.subarray(0, Math.min(bytes.length, byteLength - at)));
  }
  await file.write(new Uint8Array((GGUF_ALIGNMENT - (byteLength % GGUF_ALIGNMENT)) % GGUF_ALIGNMENT));
}

function blocksOf(format: NumberFormat, mean: number): Uint8Array {
  const random = createRandom(3);
  const values = Float32Array.from({ length: REPEATED }, () => mean + DEVIATION * random.normal());
  if (format === 'f32') return new Uint8Array(values.buffer);
  if (format === 'f16') return new Uint8Array(floatToHalf(values).buffer);
  const { block, bytes } = TYPES[format];
  const blocks = new Uint8Array((REPEATED / block) * bytes);
  const [scale = 0] = floatToHalf(Float32Array.of((2 * DEVIATION) / (format === 'q8' ? 127 : 8)));
  for (let at = 0; at < blocks.length; at++) {
    const place = at % bytes;
    blocks[at] = place === 0 ? scale & 255 : place === 1 ? scale >> 8 : random.integer(256);
  }
  return blocks;
}
