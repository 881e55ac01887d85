/** The params of a submission's dispatches in one uniform buffer, which lives as long as the device. */
import type { Dispatch } from '../device.ts';

/** Of tensors in their buffers, and of a dispatch's params in the uniform buffer. Every WebGPU device takes 256. */
export const ALIGNMENT = 256;

export class Uniforms {
  readonly buffer: GPUBuffer;
  readonly #queue: GPUQueue;
  readonly #words: Uint32Array<ArrayBuffer>;
  /** What the GPU has: a step with the params of the last one sends nothing. */
  readonly #sent: Uint32Array;

  /** For at most `slots` dispatches at once. */
  constructor(device: GPUDevice, slots: number) {
    const size = slots * ALIGNMENT;
    const usage = GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST;
    this.buffer = device.createBuffer({ size, usage, label: 'params' });
    this.#queue = device.queue;
    this.#words = new Uint32Array(size / 4);
    this.#sent = new Uint32Array(size / 4);
  }

  /** What paramWordsOf gave for a dispatch, into slot `slot`. */
  set(slot: number, words: Uint32Array): void {
    this.#words.set(words, slot * (ALIGNMENT / 4));
  }

  /** Before the submission that reads them, and after every one that reads what they replace: the queue keeps order. */
  send(slots: number): void {
    const count = slots * (ALIGNMENT / 4);
    let same = true;
    for (let i = 0; same && i < count; i++) same = this.#words[i] === this.#sent[i];
    if (same) return;
    this.#queue.writeBuffer(this.buffer, 0, this.#words.buffer, 0, count * 4);
    this.#sent.set(this.#words.subarray(0, count));
  }
}

/** A dispatch's params that are not override constants, then the places of its packed bindings in words. */
export function paramWordsOf({ kernel, params }: Dispatch, places: readonly number[]): Uint32Array {
  const fixed = kernel.webgpu?.overrides ?? [];
  const own = kernel.params.filter(({ name }) => !fixed.includes(name));
  const view = new DataView(new ArrayBuffer((own.length + places.length) * 4));
  for (const [i, { name, type }] of own.entries()) {
    if (type === 'u32') view.setUint32(i * 4, params[name]!, true);
    else view.setFloat32(i * 4, params[name]!, true);
  }
  for (const [i, place] of places.entries()) view.setUint32((own.length + i) * 4, place, true);
  return new Uint32Array(view.buffer);
}
