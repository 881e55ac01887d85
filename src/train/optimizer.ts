/** AdamW over an arena, with clipping by the global gradient norm; and the learning rate schedule. */
import type { Range } from './frozen-slots.ts';
import type { Device, Dispatch, Tensor } from '../tensor/device.ts';
import { adamw, sumSquares } from '../tensor/optimizer-ops.ts';
import { createTensor, elements } from '../tensor/tensors.ts';
import type { Arena } from '../tensor/tensors.ts';

export interface AdamWOptions {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** Applies to matrices only. */
  readonly weightDecay: number;
  /** Global gradient norm above which gradients are scaled down; 0 for none. */
  readonly maxNorm: number;
}

/** Pieces of the gradient norm; fixed, so that the sum does not depend on threads. */
const PARTS = 64;

export class AdamW {
  readonly first: Tensor;
  readonly second: Tensor;
  /** [64] sums of squares whose root is the gradient norm of the last step. */
  readonly squares: Tensor;
  readonly #options: AdamWOptions;
  readonly #trained: Tensor;
  readonly #gradients: Tensor;
  readonly #decayed: number;
  readonly #ranges: readonly Range[];

  /** `ranges`: what is updated of the arena, by default all of it. */
  constructor(
    device: Device,
    trained: Arena,
    gradients: Arena,
    options: AdamWOptions,
    ranges: readonly Range[] | null = null,
  ) {
    this.#options = options;
    this.#trained = trained.whole;
    this.#gradients = gradients.whole;
    this.first = createTensor(device, 'adamw.first', trained.whole.shape);
    this.second = createTensor(device, 'adamw.second', trained.whole.shape);
    this.squares = createTensor(device, 'adamw.squares', [PARTS]);
    const norms = [...trained.tensors.values()].filter((tensor) => tensor.shape.length === 1);
    const total = elements(trained.whole.shape);
    this.#decayed = norms.reduce((least, tensor) => Math.min(least, tensor.byteOffset / 4), total);
    this.#ranges = ranges ?? [[0, total]];
  }

  /** The update of one step; `step` counts from 1. */
  step(step: number, learningRate: number): Dispatch[] {
    const updates = this.#ranges.flatMap(([from, to]) => {
      const middle = Math.min(Math.max(this.#decayed, from), to);
      return [
        ...(from < middle ? [this.#update(step, learningRate, from, middle, this.#options.weightDecay)] : []),
        ...(middle < to ? [this.#update(step, learningRate, middle, to, 0)] : []),
      ];
    });
    return [sumSquares(this.#gradients, this.squares), ...updates];
  }

  #update(step: number, learningRate: number, from: number, to: number, weightDecay: number): Dispatch {
    const { beta1, beta2, epsilon, maxNorm } = this.#options;
    const part = (tensor: Tensor): Tensor => ({ ...tensor, byteOffset: from * 4, shape: [to - from] });
    const tensors = {
      param: part(this.#trained),
      grad: part(this.#gradients),
      m: part(this.first),
      v: part(this.second),
      partial: this.squares,
    };
    return adamw(tensors, {
      learning_rate: learningRate,
      beta1,
      beta2,
      epsilon,
      weight_decay: weightDecay,
      correction1: 1 - beta1 ** step,
      correction2: 1 - beta2 ** step,
      max_norm: maxNorm,
    });
  }
}

export interface Schedule {
  readonly peak: number;
  readonly warmupSteps: number;
  readonly totalSteps: number;
  /** Share of the peak at the end. */
  readonly floor: number;
}

/** Linear warm-up, then a cosine down to `floor · peak` at `totalSteps`. `step` counts from 1. */
export function learningRate({ peak, warmupSteps, totalSteps, floor }: Schedule, step: number): number {
  if (step <= warmupSteps) return (peak * step) / warmupSteps;
  const progress = Math.min(1, (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps));
  return peak * (floor + (1 - floor) * 0.5 * (1 + Math.cos(Math.PI * progress)));
}
