/** Fills the KV cache of a model with noise, found by the bindings of the dispatches that write it. */
import { valueBytes } from '../../../kernels/formats.ts';
import { createRandom } from '../../../src/base/random.ts';
import type { Device, Dispatch, Tensor } from '../../../src/tensor/device.ts';
import { elements } from '../../../src/tensor/tensors.ts';

const BLOCK_BYTES = 16 << 20;

/** Zeros would be read faster than what a conversation leaves. Throws where a step writes no cache. */
export async function fillCache(device: Device, step: readonly Dispatch[]): Promise<void> {
  const caches = new Set<Tensor>();
  for (const { bindings } of step) {
    for (const name of ['k_pages', 'v_pages']) if (bindings[name]) caches.add(bindings[name]);
  }
  if (caches.size === 0)
    throw new Error('no dispatch of the step binds k_pages: the bench must learn their new name');
  const block = noise();
  const halves = Uint8Array.from(new Uint8Array(Float16Array.from(block).buffer));
  const filled = new Set<string>();
  for (const { buffer, byteOffset, type, shape } of caches) {
    const key = `${buffer.label} ${byteOffset}`;
    if (filled.has(key)) continue;
    filled.add(key);
    const bytes = type === 'f16' ? halves : new Uint8Array(block.buffer);
    const size = valueBytes(type, elements(shape));
    for (let at = 0; at < size; at += bytes.length) {
      await device.write(buffer, byteOffset + at, bytes.subarray(0, Math.min(bytes.length, size - at)));
    }
  }
}

function noise(): Float32Array<ArrayBuffer> {
  const random = createRandom(11);
  const values = new Float32Array(BLOCK_BYTES / 4);
  const fresh = 1 << 16;
  for (let i = 0; i < fresh; i++) values[i] = random.normal();
  for (let at = fresh; at < values.length; at *= 2) values.copyWithin(at, 0, at);
  return values;
}
