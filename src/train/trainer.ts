/** One training run's state and its step: network, optimizer and the batch buffers. Knows no files and no clock. */
import { InternalError } from '../base/errors.ts';
import { invariant } from '../base/invariant.ts';
import { NONE } from '../tensor/device.ts';
import type { Device, Dispatch, Tensor } from '../tensor/device.ts';
import { elements, readTensor, writeTensor } from '../tensor/tensors.ts';
import { clearFrozen, trainedRanges } from './frozen-slots.ts';
import type { Range } from './frozen-slots.ts';
import { TrainingNetwork } from './network/network.ts';
import type { BatchTensors, NetworkOptions } from './network/context.ts';
import { AdamW, learningRate } from './optimizer.ts';
import type { AdamWOptions, Schedule } from './optimizer.ts';
import { loadRouting, readRoutingLosses } from './routing-step.ts';
import type { RoutingLosses } from './routing-step.ts';

/** One batch as plain arrays, N = B·T. `targets` NONE: no loss there. */
export interface Batch {
  readonly tokens: Uint32Array;
  readonly targets: Uint32Array;
  readonly positions: Uint32Array;
  /** Index in the row of the first token of the token's document. */
  readonly starts: Uint32Array;
  readonly routes?: BatchRoutes;
  /** Number of each row's specialty; needed for a contrastive loss. */
  readonly specialties?: readonly number[];
  /** Tokens that are anchors of the contrastive loss, NONE at the end where there are too few. */
  readonly anchors?: Uint32Array;
  /** 32 bits of chance for the step's jitter. */
  readonly noise?: number;
}

export interface BatchRoutes {
  /** [N] */
  readonly routeOfToken: Uint32Array;
  /** [maxRoutes, maxExperts], NONE after the last expert of a route. */
  readonly slots: Uint32Array;
  readonly segments: Uint32Array;
  readonly priors: Float32Array;
  /** [maxRoutes] */
  readonly topK: Uint32Array;
}

export interface StepResult extends RoutingLosses {
  /** Mean negative log-likelihood over the tokens with a target, nats. */
  readonly loss: number;
  readonly tokens: number;
  readonly gradientNorm: number;
  readonly learningRate: number;
}

export interface TrainerOptions extends NetworkOptions {
  readonly adamw: AdamWOptions;
  readonly schedule: Schedule;
  /** Expert slots from this one on are frozen; by default none is. */
  readonly trainedSlots?: number;
}

export class Trainer {
  readonly network: TrainingNetwork;
  readonly optimizer: AdamW;
  readonly #device: Device;
  readonly #options: TrainerOptions;
  /** What of the trained arena changes. */
  readonly #ranges: readonly Range[] | null;
  readonly #clearFrozen: readonly Dispatch[];
  /** Steps done. */
  step = 0;

  constructor(device: Device, options: TrainerOptions) {
    this.#device = device;
    this.#options = options;
    this.network = new TrainingNetwork(device, options);
    const { trained, gradients } = this.network;
    const { trainedSlots } = options;
    const isPartial = trainedSlots !== undefined && trainedSlots < (options.experts?.slots ?? 0);
    this.#ranges = isPartial ? trainedRanges(trained, trainedSlots) : null;
    this.#clearFrozen = isPartial ? clearFrozen(gradients, trainedSlots) : [];
    this.optimizer = new AdamW(device, trained, gradients, options.adamw, this.#ranges);
  }

  /** Parameters of the model that training changes, and those that only serve the contrastive loss. */
  get parameters(): { readonly trained: number; readonly auxiliary: number } {
    const count = { trained: 0, auxiliary: 0 };
    for (const [index, [name, { shape }]] of [...this.network.trained.tensors].entries()) {
      const [from, to] = this.#ranges?.[index] ?? [0, elements(shape)];
      count[name.startsWith('contrast.') ? 'auxiliary' : 'trained'] += to - from;
    }
    return count;
  }

  async prepare(): Promise<void> {
    await this.network.prepare();
  }

  /** Throws `InternalError('loss_not_finite')` with the weights already touched: go back to the last checkpoint. */
  async train(batch: Batch): Promise<StepResult> {
    const tokens = await loadBatch(this.#device, this.network.batch, batch);
    const rate = learningRate(this.#options.schedule, this.step + 1);
    const phase = await loadRouting(this.#device, this.network, batch, this.step);
    const { trainingForward, lossOnly, backward } = this.network;
    await this.#device.submit([
      ...trainingForward,
      ...lossOnly,
      ...backward[phase],
      ...this.#clearFrozen,
      ...this.optimizer.step(this.step + 1, rate),
    ]);
    const loss = sum(await readTensor(this.#device, this.network.loss));
    const norm = Math.sqrt(sum(await readTensor(this.#device, this.optimizer.squares)));
    this.step++;
    if (!Number.isFinite(loss) || !Number.isFinite(norm)) {
      throw new InternalError(
        'loss_not_finite',
        `The loss of step ${this.step} is ${loss}, its gradient norm ${norm}`,
      );
    }
    const routing = await readRoutingLosses(this.#device, this.network);
    return { loss, tokens, gradientNorm: norm, learningRate: rate, ...routing };
  }

  /** Negative log-likelihood of each target in nats, 0 where there is none. Changes no weight. */
  score(batch: Batch): Promise<Float32Array> {
    return scoreBatch(this.#device, this.network, batch);
  }
}

/** Negative log-likelihood of each target in nats, 0 where there is none: a forward pass alone. */
export async function scoreBatch(
  device: Device,
  network: TrainingNetwork,
  batch: Batch,
): Promise<Float32Array> {
  await loadBatch(device, network.batch, batch, 1);
  await device.submit([...network.forward, ...network.lossOnly]);
  return readTensor(device, network.loss);
}

/** Writes a batch into the network's buffers; each target weighs `weight`, by default so that they sum to 1. */
async function loadBatch(device: Device, to: BatchTensors, batch: Batch, weight?: number): Promise<number> {
  const N = elements(to.tokens.shape);
  invariant(batch.tokens.length === N, `a batch of ${batch.tokens.length} tokens where ${N} are expected`);
  let counted = 0;
  for (const target of batch.targets) if (target !== NONE) counted++;
  const each = weight ?? 1 / Math.max(1, counted);
  const weights = Float32Array.from(batch.targets, (target) => (target === NONE ? 0 : each));
  const writes: [Tensor, Float32Array | Uint32Array][] = [
    [to.tokens, batch.tokens],
    [to.targets, batch.targets],
    [to.positions, batch.positions],
    [to.starts, batch.starts],
    [to.tokenWeights, weights],
  ];
  if (to.routes) {
    const { routes } = batch;
    invariant(routes, 'a network with experts needs routes');
    writes.push([to.routes.routeOfToken, routes.routeOfToken], [to.routes.slots, routes.slots]);
    writes.push([to.routes.segments, routes.segments], [to.routes.priors, routes.priors]);
    writes.push([to.routes.topK, routes.topK]);
  }
  for (const [tensor, data] of writes) await writeTensor(device, tensor, data);
  return counted;
}

function sum(values: Float32Array): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
