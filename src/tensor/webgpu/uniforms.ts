/** The params of a submission's dispatches in one uniform buffer, which lives as long as the device. */
import type { Dispatch } from '../device.ts';

/** Of tensors in their buffers, and of a dispatch's params in the uniform buffer. Every WebGPU device takes 256. */
export const ALIGNMENT = 256;

export class Uniforms {
  readonly buffer: GPUBuffer;
  readonly #queue: GPUQueue;
  readonly #view: DataView<ArrayBuffer>;
  /** What the GPU has: a step with the params of the last one sends nothing. */
  readonly #sent: Uint32Array;

  /** For at most `slots` dispatches at once. */
  constructor(device: GPUDevice, slots: number) {
    const size = slots * ALIGNMENT;
    const usage = GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST;
    this.buffer = device.createBuffer({ size, usage, label: 'params' });
    this.#queue = device.queue;
    this.#view = new DataView(new ArrayBuffer(size));
    this.#sent = new Uint32Array(size / 4);
  }

  /** The params of a dispatch, then the places of its packed bindings in words, in slot `slot`. */
  set(slot: number, { kernel, params }: Dispatch, places: readonly number[]): void {
    let at = slot * ALIGNMENT;
    for (const { name, type } of kernel.params) {
      if (type === 'u32') this.#view.setUint32(at, params[name]!, true);
      else this.#view.setFloat32(at, params[name]!, true);
      at += 4;
    }
    for (const place of places) {
      this.#view.setUint32(at, place, true);
      at += 4;
    }
  }

  /** Before the submission that reads them, and after every one that reads what they replace: the queue keeps order. */
  send(slots: number): void {
    const words = new Uint32Array(this.#view.buffer, 0, (slots * ALIGNMENT) / 4);
    if (words.every((word, i) => word === this.#sent[i])) return;
    this.#queue.writeBuffer(this.buffer, 0, this.#view.buffer, 0, slots * ALIGNMENT);
    this.#sent.set(words);
  }
}
