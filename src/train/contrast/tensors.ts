/** Buffers of the contrastive loss. Anchors, scores and scratch are shared by all mixtures; queues and embeddings are a mixture's. */
import type { ModelConfig } from '../../model/config.ts';
import { adaptedSize } from '../../model/parameters.ts';
import type { Adapted } from '../../model/parameters.ts';
import { NONE } from '../../tensor/device.ts';
import type { Device, Tensor } from '../../tensor/device.ts';
import { createArena, createTensor, elements, writeTensor } from '../../tensor/tensors.ts';
import type { Arena } from '../../tensor/tensors.ts';
import type { ExpertPoolShape } from '../network/activations.ts';
import type { Mixture } from '../network/mixtures.ts';
import { contrastSizes, isInBatch } from './options.ts';
import type { ContrastOptions } from './options.ts';

export interface ContrastTensors {
  readonly options: ContrastOptions;
  /** u32 [M]: row of an anchor among the batch's tokens × choices (or tokens); 0 where there is no anchor. */
  readonly places: Tensor;
  /** The same, NONE where there is no anchor. */
  readonly index: Tensor;
  /** u32 [M]: the anchor's specialty, NONE where there is none. */
  readonly specialty: Tensor;
  /** [d]: 1/√d, which makes a norm over root mean squares one over lengths. */
  readonly unit: Tensor;
  /** [M, 1] */
  readonly ones: Tensor;
  /** [1, 1]: λ / (mixtures · anchors). */
  readonly scale: Tensor;
  /** Only for `routing`: centring [d, d] = I − 1/d, and the anchors' logits [M, d] with their gradient. */
  readonly gates: { readonly centring: Tensor; readonly rows: Tensor; readonly dRows: Tensor } | null;
  /** [M, J]: cosines, then their gradient. */
  readonly scores: Tensor;
  readonly z: Tensor;
  readonly inverse: Tensor;
  readonly dz: Tensor;
  readonly dEmbedding: Tensor;
  /** [M, 1] */
  readonly dWeights: Tensor;
  /** [M, R] of each linear; none for `routing`. */
  readonly rows: ReadonlyMap<Adapted, Tensor>;
  readonly dRows: ReadonlyMap<Adapted, Tensor>;
  /** [M, out] of each linear and its gradient; only for `full`. */
  readonly outputs: ReadonlyMap<Adapted, { readonly y: Tensor; readonly dy: Tensor }> | null;
  readonly mixtures: readonly ContrastMixture[];
  /** Unweighted losses and gate weights [M] of all mixtures, read back to report. */
  readonly losses: Arena;
  readonly weights: Arena;
}

export interface ContrastMixture {
  /** [M, d], of length 1. */
  readonly embedding: Tensor;
  /** u32 [M], NONE where there is no anchor: the expert's slot, or for `routing` the specialty. */
  readonly owner: Tensor;
  readonly loss: Tensor;
  readonly weights: Tensor;
  readonly queue: ContrastQueue | null;
}

/** The expert memory queue of a mixture: part of the run's state. */
export interface ContrastQueue {
  /** [S·K, d] */
  readonly keys: Tensor;
  /** u32 [S·K], NONE where nothing is yet. */
  readonly owner: Tensor;
  /** u32 [S] */
  readonly heads: Tensor;
}

export function createContrastTensors(
  device: Device,
  config: ModelConfig,
  pool: ExpertPoolShape,
  mixtures: readonly Mixture[],
  options: ContrastOptions,
): ContrastTensors {
  const { anchors: M, keys: J, dimensions: d } = contrastSizes(options, pool);
  const { slots: S } = pool;
  const make = (name: string, ...shape: number[]): Tensor => createTensor(device, `contrast.${name}`, shape);
  const ids = (name: string, ...shape: number[]): Tensor =>
    createTensor(device, `contrast.${name}`, shape, 'u32');
  const isRouting = options.variant === 'routing';
  const byLinear = <T>(of: (linear: Adapted) => T): Map<Adapted, T> =>
    new Map(isRouting ? [] : pool.adapted.map((linear) => [linear, of(linear)]));
  const perMixture = new Map(mixtures.map(({ name }) => [name, [M]] as const));
  const losses = createArena(device, 'contrast.loss', perMixture);
  const weights = createArena(device, 'contrast.weights', perMixture);
  const specialty = ids('specialty', M);
  const createQueue = (of: string): ContrastQueue => ({
    keys: make(`queue.${of}.keys`, J, d),
    owner: ids(`queue.${of}.owner`, J),
    heads: ids(`queue.${of}.heads`, S),
  });
  const output = (linear: Adapted) => ({
    y: make(`output.${linear}`, M, adaptedSize(config, linear).output),
    dy: make(`output_gradient.${linear}`, M, adaptedSize(config, linear).output),
  });
  return {
    options,
    places: ids('places', M),
    index: ids('index', M),
    specialty,
    unit: make('unit', d),
    ones: make('ones', M, 1),
    scale: make('scale', 1, 1),
    gates: isRouting
      ? { centring: make('centring', d, d), rows: make('rows', M, d), dRows: make('rows_gradient', M, d) }
      : null,
    scores: make('scores', M, J),
    z: make('z', M, d),
    inverse: make('inverse', M),
    dz: make('dz', M, d),
    dEmbedding: make('embedding_gradient', M, d),
    dWeights: make('weights_gradient', M, 1),
    rows: byLinear((linear) => make(`rows.${linear}`, M, pool.rank)),
    dRows: byLinear((linear) => make(`rows_gradient.${linear}`, M, pool.rank)),
    outputs: options.variant === 'full' ? byLinear(output) : null,
    mixtures: mixtures.map(({ name }) => ({
      embedding: make(`embedding.${name}`, M, d),
      owner: isRouting ? specialty : ids(`owner.${name}`, M),
      loss: losses.tensors.get(name)!,
      weights: weights.tensors.get(name)!,
      queue: isInBatch(options) ? null : createQueue(name),
    })),
    losses,
    weights,
  };
}

/** Fills what never changes, and empties the queues. */
export async function prepareContrast(device: Device, tensors: ContrastTensors): Promise<void> {
  const { options, unit, ones, scale, gates, mixtures } = tensors;
  const d = elements(unit.shape);
  const fill = (tensor: Tensor, value: number): Promise<void> =>
    writeTensor(device, tensor, new Float32Array(elements(tensor.shape)).fill(value));
  await fill(unit, 1 / Math.sqrt(d));
  await fill(ones, 1);
  await fill(scale, contrastScale(options, mixtures.length));
  if (gates) {
    const values = Float32Array.from({ length: d * d }, (_, i) => (i % (d + 1) === 0 ? 1 : 0) - 1 / d);
    await writeTensor(device, gates.centring, values);
  }
  await emptyQueues(device, tensors);
}

export async function emptyQueues(device: Device, { mixtures }: ContrastTensors): Promise<void> {
  for (const { queue } of mixtures) {
    if (!queue) continue;
    await writeTensor(device, queue.owner, new Uint32Array(elements(queue.owner.shape)).fill(NONE));
    await writeTensor(device, queue.heads, new Uint32Array(elements(queue.heads.shape)));
  }
}

/** Factor of the sum over a mixture's anchors: a mean over mixtures and anchor tokens. */
export function contrastScale({ weight, anchors }: ContrastOptions, mixtures: number): number {
  return weight / (mixtures * anchors);
}

/** Where anchors lie: `tokens` are indexes into the batch, NONE at the end where there are too few. */
export async function writeAnchors(
  device: Device,
  { options, places, index, specialty }: ContrastTensors,
  tokens: Uint32Array,
  { topK, specialtyOf }: { readonly topK: number; readonly specialtyOf: (token: number) => number },
): Promise<void> {
  const choices = options.variant === 'routing' ? 1 : topK;
  const at = new Uint32Array(tokens.length * choices);
  for (const [i, token] of tokens.entries()) {
    for (let k = 0; k < choices; k++) at[i * choices + k] = token === NONE ? NONE : token * choices + k;
  }
  await writeTensor(device, index, at);
  await writeTensor(
    device,
    places,
    at.map((place) => (place === NONE ? 0 : place)),
  );
  const owners = at.map((place) => (place === NONE ? NONE : specialtyOf(Math.floor(place / choices))));
  await writeTensor(device, specialty, owners);
}
