/** Buffers of the contrastive loss. Anchors, scores and scratch are shared by all layers; queues and embeddings are a layer's. */
import type { ModelConfig } from '../../model/config.ts';
import type { Adapted } from '../../model/parameters.ts';
import { NONE } from '../../tensor/device.ts';
import type { Device, Tensor } from '../../tensor/device.ts';
import { createArena, createTensor, elements, writeTensor } from '../../tensor/tensors.ts';
import type { Arena } from '../../tensor/tensors.ts';
import type { ExpertPoolShape } from '../network/activations.ts';
import { contrastSizes, isInBatch } from './options.ts';
import type { ContrastOptions } from './options.ts';
import { outputSize } from './parameters.ts';

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
  /** [1, 1]: λ / (layers · anchors). */
  readonly scale: Tensor;
  /** [d, d]: I − 1/d, for `routing`. */
  readonly centring: Tensor | null;
  /** [M, J]: cosines, then their gradient. */
  readonly scores: Tensor;
  readonly z: Tensor;
  readonly inverse: Tensor;
  readonly dz: Tensor;
  readonly dEmbedding: Tensor;
  /** [M, 1] */
  readonly dWeights: Tensor;
  /** [M, R] of each linear; for `routing` logits [M, d], under `down_proj` alone. */
  readonly rows: Readonly<Record<Adapted, Tensor>>;
  readonly dRows: Readonly<Record<Adapted, Tensor>>;
  /** [M, out] of each linear and its gradient; only for `full`. */
  readonly outputs: Readonly<Record<Adapted, { readonly y: Tensor; readonly dy: Tensor }>> | null;
  readonly layers: readonly ContrastLayer[];
  /** Unweighted losses and gate weights [M] of all layers, read back to report. */
  readonly losses: Arena;
  readonly weights: Arena;
}

export interface ContrastLayer {
  /** [M, d], of length 1. */
  readonly embedding: Tensor;
  /** u32 [M], NONE where there is no anchor: the expert's slot, or for `routing` the specialty. */
  readonly owner: Tensor;
  readonly loss: Tensor;
  readonly weights: Tensor;
  readonly queue: ContrastQueue | null;
}

/** The expert memory queue of a layer: part of the run's state. */
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
  options: ContrastOptions,
): ContrastTensors {
  const { anchors: M, keys: J, dimensions: d } = contrastSizes(options, pool);
  const { slots: S } = pool;
  const make = (name: string, ...shape: number[]): Tensor => createTensor(device, `contrast.${name}`, shape);
  const ids = (name: string, ...shape: number[]): Tensor =>
    createTensor(device, `contrast.${name}`, shape, 'u32');
  const isRouting = options.variant === 'routing';
  const width = isRouting ? d : pool.rank;
  const scratch = (name: string): Tensor => make(name, M, width);
  const perLayer = new Map(Array.from({ length: config.layers }, (_, layer) => [`${layer}`, [M]] as const));
  const losses = createArena(device, 'contrast.loss', perLayer);
  const weights = createArena(device, 'contrast.weights', perLayer);
  const specialty = ids('specialty', M);
  const createQueue = (layer: number): ContrastQueue => ({
    keys: make(`queue.${layer}.keys`, J, d),
    owner: ids(`queue.${layer}.owner`, J),
    heads: ids(`queue.${layer}.heads`, S),
  });
  const output = (linear: Adapted) => ({
    y: make(`output.${linear}`, M, outputSize(config, linear)),
    dy: make(`output_gradient.${linear}`, M, outputSize(config, linear)),
  });
  return {
    options,
    places: ids('places', M),
    index: ids('index', M),
    specialty,
    unit: make('unit', d),
    ones: make('ones', M, 1),
    scale: make('scale', 1, 1),
    centring: isRouting ? make('centring', d, d) : null,
    scores: make('scores', M, J),
    z: make('z', M, d),
    inverse: make('inverse', M),
    dz: make('dz', M, d),
    dEmbedding: make('embedding_gradient', M, d),
    dWeights: make('weights_gradient', M, 1),
    rows: byLinear(isRouting, (linear) => scratch(`rows.${linear}`)),
    dRows: byLinear(isRouting, (linear) => scratch(`rows_gradient.${linear}`)),
    outputs: options.variant === 'full' ? byLinear(false, output) : null,
    layers: Array.from({ length: config.layers }, (_, layer) => ({
      embedding: make(`embedding.${layer}`, M, d),
      owner: isRouting ? specialty : ids(`owner.${layer}`, M),
      loss: losses.tensors.get(`${layer}`)!,
      weights: weights.tensors.get(`${layer}`)!,
      queue: isInBatch(options) ? null : createQueue(layer),
    })),
    losses,
    weights,
  };
}

/** `one`: a single tensor serves under all names. */
function byLinear<T>(one: boolean, make: (linear: Adapted) => T): Record<Adapted, T> {
  const down = make('down_proj');
  return {
    gate_proj: one ? down : make('gate_proj'),
    up_proj: one ? down : make('up_proj'),
    down_proj: down,
  };
}

/** Fills what never changes, and empties the queues. */
export async function prepareContrast(device: Device, tensors: ContrastTensors): Promise<void> {
  const { options, unit, ones, scale, centring, layers } = tensors;
  const d = elements(unit.shape);
  const fill = (tensor: Tensor, value: number): Promise<void> =>
    writeTensor(device, tensor, new Float32Array(elements(tensor.shape)).fill(value));
  await fill(unit, 1 / Math.sqrt(d));
  await fill(ones, 1);
  await fill(scale, contrastScale(options, layers.length));
  if (centring) {
    const values = Float32Array.from({ length: d * d }, (_, i) => (i % (d + 1) === 0 ? 1 : 0) - 1 / d);
    await writeTensor(device, centring, values);
  }
  await emptyQueues(device, tensors);
}

export async function emptyQueues(device: Device, { layers }: ContrastTensors): Promise<void> {
  for (const { queue } of layers) {
    if (!queue) continue;
    await writeTensor(device, queue.owner, new Uint32Array(elements(queue.owner.shape)).fill(NONE));
    await writeTensor(device, queue.heads, new Uint32Array(elements(queue.heads.shape)));
  }
}

/** Factor of the sum over a layer's anchors: a mean over layers and anchor tokens. */
export function contrastScale({ weight, anchors }: ContrastOptions, layers: number): number {
  return weight / (layers * anchors);
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
