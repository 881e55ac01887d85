/** Chooses a step's tokens where its logits are, and brings back eight bytes a row. */
import type { Device, Dispatch, Tensor } from '../tensor/device.ts';
import { sample, type SamplingTensors } from '../tensor/sampling-ops.ts';
import { createTensor, readTensor } from '../tensor/tensors.ts';

export class TokenSampler {
  readonly #device: Device;
  /** u32 [rows] */
  readonly #tokens: Tensor;
  /** f32 [rows, 2] */
  readonly #sampled: Tensor;
  /** Logits that penalties replaced. */
  #raw: Tensor;

  /** For at most `rows` rows at once. */
  constructor(device: Device, rows: number) {
    this.#device = device;
    this.#tokens = createTensor(device, 'draw.tokens', [rows], 'u32');
    this.#sampled = createTensor(device, 'draw.sampled', [rows, 2]);
    this.#raw = createTensor(device, 'draw.raw', [rows * 64]);
  }

  /**
   * Of logits [rows, V], which it changes where there are penalties. `carried`: what the last dispatch chose goes before,
   * row by row, and the inputs do not know it yet.
   */
  dispatch(logits: Tensor, inputs: SamplingTensors, carried: boolean): Dispatch {
    const rows = logits.shape[0]!;
    const entries = inputs.seen.shape[0]!;
    this.#grow(entries);
    return sample(
      logits,
      inputs,
      { ...this.#raw, shape: [entries] },
      { tokens: this.tokens(rows), sampled: { ...this.#sampled, shape: [rows, 2] } },
      carried,
    );
  }

  /** u32 [rows]: what the last dispatch chose, for the step behind it. */
  tokens(rows: number): Tensor {
    return { ...this.#tokens, shape: [rows] };
  }

  /** [rows, 2] of the last dispatch that was submitted: token, or −1, and log probability. */
  read(rows: number): Promise<Float32Array> {
    return readTensor(this.#device, { ...this.#sampled, shape: [rows, 2] });
  }

  /** Bounded by the cache: what was seen lies in it. */
  #grow(entries: number): void {
    if (entries <= this.#raw.shape[0]!) return;
    this.#device.free(this.#raw.buffer);
    this.#raw = createTensor(this.#device, 'draw.raw', [2 * entries]);
  }
}
