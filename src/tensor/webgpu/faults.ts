/**
 * What goes wrong with a GPU after it was opened. WebGPU tells of it beside the calls: errors come as events, memory that
 * is not there is told later, and a device that is lost lets most of what waits for it resolve as if it had been done.
 * Here all of that rejects the work it belongs to. Nothing is asked of the GPU for it while things go well.
 */
import { InternalError } from '../../base/errors.ts';

export class Faults {
  readonly #device: GPUDevice;
  readonly #lost = Promise.withResolvers<InternalError>();
  readonly #working = new Set<(error: InternalError) => void>();
  /** Buffers of which it is not known yet whether they have their memory. */
  readonly #checking = new Set<Promise<void>>();
  readonly #refused = new WeakMap<GPUBuffer, InternalError>();
  /** Came when nothing was running: the next work fails by it. */
  #unheard: InternalError | null = null;
  #loss: InternalError | null = null;
  #closed = false;

  constructor(device: GPUDevice) {
    this.#device = device;
    device.addEventListener('uncapturederror', (event) => {
      const { error } = event;
      // Else Dawn prints it on standard output, and a browser on its console.
      event.preventDefault();
      const code = error instanceof GPUOutOfMemoryError ? 'out_of_memory' : 'gpu_error';
      this.#report(new InternalError(code, error.message));
    });
    void this.#watch();
  }

  /** Resolves when the device is gone without having been closed. */
  get lost(): Promise<InternalError> {
    return this.#lost.promise;
  }

  get isLost(): boolean {
    return this.#loss !== null;
  }

  /** As far as is known. */
  hasMemory(buffer: GPUBuffer): boolean {
    return !this.#refused.has(buffer);
  }

  /** From here on a loss is the owner's own doing. */
  close(): void {
    this.#closed = true;
  }

  /**
   * A buffer of which the driver says later whether there was memory for it. Where there was not, the next work fails with
   * `InternalError('out_of_memory')`, and so does every `check` of the buffer.
   */
  createBuffer(descriptor: GPUBufferDescriptor, onRefused: () => void): GPUBuffer {
    this.#device.pushErrorScope('out-of-memory');
    const buffer = this.#device.createBuffer(descriptor);
    const answer = this.#device.popErrorScope();
    const check = async (): Promise<void> => {
      const error = await answer;
      if (!error) return;
      const what = `${descriptor.size} bytes for ${descriptor.label ?? 'a buffer'}`;
      const refusal = new InternalError('out_of_memory', `${what} do not fit the GPU: ${firstLine(error)}`);
      this.#refused.set(buffer, refusal);
      this.#unheard ??= refusal;
      onRefused();
    };
    const checking = check().finally(() => this.#checking.delete(checking));
    this.#checking.add(checking);
    return buffer;
  }

  /** Throws where the device is lost or, as far as is known, the buffer has no memory. */
  check(buffer?: GPUBuffer): void {
    const refusal = this.#loss ?? (buffer && this.#refused.get(buffer));
    if (refusal) throw refusal;
  }

  /** Rejects, too, when the device is lost or an error comes while `work` runs; it is not waited for then. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    if (this.#checking.size > 0) await Promise.all(this.#checking);
    this.check();
    const unheard = this.#unheard;
    this.#unheard = null;
    if (unheard) throw unheard;
    const { promise: failed, reject } = Promise.withResolvers<never>();
    this.#working.add(reject);
    try {
      const done = await Promise.race([work(), failed]);
      this.check();
      return done;
    } catch (error) {
      throw this.#loss ?? error;
    } finally {
      this.#working.delete(reject);
    }
  }

  #report(error: InternalError): void {
    if (this.#working.size === 0) this.#unheard ??= error;
    for (const fail of this.#working) fail(error);
  }

  async #watch(): Promise<void> {
    const { reason, message } = await this.#device.lost;
    if (this.#closed) return;
    this.#loss = new InternalError('device_lost', `the GPU was lost (${reason}): ${message}`);
    for (const fail of this.#working) fail(this.#loss);
    this.#lost.resolve(this.#loss);
  }
}

function firstLine({ message }: GPUError): string {
  return message.split('\n')[0] ?? '';
}
