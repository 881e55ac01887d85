/**
 * Reads of GPU buffers: each is copied into a buffer that the CPU can map, and such buffers are kept for the reads of the
 * next step. Several may be on their way: work that is sent later need not wait for an earlier read to arrive.
 */

/** Larger ones are not kept. */
const MAX_KEPT_BYTES = 64 << 20;
const MAX_KEPT = 4;
const LEAST_BYTES = 1024;

export class Landings {
  readonly #device: GPUDevice;
  #kept: GPUBuffer[] = [];
  readonly #arriving = new Set<Promise<ArrayBuffer>>();

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** Sends the copy at once, after what was sent before; `arrived` has it when the GPU has done it. */
  copy(from: GPUBuffer, offset: number, byteLength: number): { readonly arrived: Promise<ArrayBuffer> } {
    const landing = this.#take(byteLength);
    const encoder = this.#device.createCommandEncoder();
    encoder.copyBufferToBuffer(from, offset, landing, 0, byteLength);
    this.#device.queue.submit([encoder.finish()]);
    const arrived = this.#arrive(landing, byteLength);
    this.#arriving.add(arrived);
    // Whoever asked is told; nobody need have waited for it yet.
    arrived.catch(() => {}).finally(() => this.#arriving.delete(arrived));
    return { arrived };
  }

  /** Resolves when nothing is on its way. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.#arriving);
  }

  async #arrive(landing: GPUBuffer, byteLength: number): Promise<ArrayBuffer> {
    try {
      await landing.mapAsync(GPUMapMode.READ, 0, byteLength);
      const copy = landing.getMappedRange(0, byteLength).slice(0);
      landing.unmap();
      this.#keep(landing);
      return copy;
    } catch (error) {
      landing.destroy();
      throw error;
    }
  }

  #take(byteLength: number): GPUBuffer {
    const index = this.#kept.findIndex(({ size }) => size >= byteLength);
    const [fitting] = index < 0 ? [] : this.#kept.splice(index, 1);
    if (fitting) return fitting;
    const usage = GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ;
    return this.#device.createBuffer({ size: Math.max(LEAST_BYTES, byteLength), usage });
  }

  /** Smallest first; where there are too many, the smallest goes. */
  #keep(landing: GPUBuffer): void {
    if (landing.size > MAX_KEPT_BYTES) return landing.destroy();
    this.#kept = [...this.#kept, landing].sort((a, b) => a.size - b.size);
    if (this.#kept.length > MAX_KEPT) this.#kept.shift()?.destroy();
  }
}
