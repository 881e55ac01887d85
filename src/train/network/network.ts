/**
 * The training step of a Qwen3 model with LoRA-MoE layers as two fixed lists of dispatches over fixed buffers: nothing
 * is allocated while training, and peak memory is a function of the config alone.
 *
 * Either the base is trained (every tensor) or it is frozen and a pool of experts is; the gradient then stops below the
 * first part of a layer that has experts, since nothing under it is trained.
 */
import { invariant } from '../../base/invariant.ts';
import { checkpointShapes } from '../../model/checkpoint.ts';
import { EMBEDDING, FINAL_NORM, HEAD } from '../../model/parameters.ts';
import type { Device, Dispatch, Tensor } from '../../tensor/device.ts';
import * as ops from '../../tensor/ops.ts';
import { createArena, createTensor, writeTensor } from '../../tensor/tensors.ts';
import type { Arena } from '../../tensor/tensors.ts';
import { createLayerActivations } from './activations.ts';
import type { ExpertActivations, ExpertPoolShape, LayerActivations } from './activations.ts';
import { prepareContrast } from '../contrast/tensors.ts';
import type { ContrastPhase } from '../contrast/layer-contrast.ts';
import type { BatchTensors, NetworkContext, NetworkOptions, RoutingTensors } from './context.ts';
import { layerBackward } from './layer-backward.ts';
import { layerForward } from './layer-forward.ts';
import type { ForwardMode } from './expert-forward.ts';
import { mixturesOf } from './mixtures.ts';
import { createRoutingTensors, expertArenaShapes } from './routing-tensors.ts';
import { createGradientScratch } from './scratch.ts';
import type { GradientScratch } from './scratch.ts';

export class TrainingNetwork {
  readonly options: NetworkOptions;
  readonly batch: BatchTensors;
  /** Trained values, and their gradients in the same places. */
  readonly trained: Arena;
  readonly gradients: Arena;
  readonly frozen: Arena | null;
  readonly scales: Tensor | null;
  /** [N, V]: logits after `forward` without loss; their gradient after `lossAndBackward`. */
  readonly logits: Tensor;
  /** [N] weighted negative log-likelihood of each target. */
  readonly loss: Tensor;
  readonly layers: readonly LayerActivations[];
  /** Of all layers, in the order of `mixturesOf`. */
  readonly mixtures: readonly ExpertActivations[];
  readonly routing: RoutingTensors | null;
  /** As served: without jitter. */
  readonly forward: readonly Dispatch[];
  readonly trainingForward: readonly Dispatch[];
  readonly lossOnly: readonly Dispatch[];
  /** By the phase of the contrastive loss; without one both are the same. */
  readonly backward: Readonly<Record<ContrastPhase, readonly Dispatch[]>>;
  readonly #device: Device;
  readonly #ropeTable: Tensor;

  constructor(device: Device, options: NetworkOptions) {
    const { config, batch, trainBase, experts } = options;
    invariant(trainBase !== (experts !== null), 'either the base is trained or experts are');
    this.#device = device;
    this.options = options;
    const N = batch.B * batch.T;
    const base = matricesFirst(checkpointShapes(config));
    const trainedShapes = experts ? expertArenaShapes(options, experts) : base;
    this.frozen = trainBase ? null : createArena(device, 'frozen', base);
    this.trained = createArena(device, 'trained', trainedShapes);
    this.gradients = createArena(device, 'gradients', trainedShapes);
    this.batch = createBatchTensors(device, N, experts);
    this.scales = experts ? createTensor(device, 'scales', [experts.slots]) : null;
    this.#ropeTable = createTensor(device, 'rope', [batch.T, config.headSize / 2, 2]);
    const mixtures = experts ? mixturesOf(config.layers, experts.adapted) : [];
    this.layers = Array.from({ length: config.layers }, (_, layer) =>
      createLayerActivations(device, config, batch, layer, mixtures, experts),
    );
    this.mixtures = this.layers.flatMap(({ experts: { ffn, attention } }) =>
      [ffn, attention].filter((part) => part !== null),
    );
    this.routing = experts && createRoutingTensors(device, options, experts, mixtures);
    const output = createTensor(device, 'output', [N, config.hiddenSize]);
    const outputInverse = createTensor(device, 'output_inverse', [N]);
    const normed = createTensor(device, 'output_normed', [N, config.hiddenSize]);
    this.logits = createTensor(device, 'logits', [N, config.vocabularySize]);
    this.loss = createTensor(device, 'loss', [N]);
    const context: NetworkContext = {
      options,
      batch: this.batch,
      ropeTable: this.#ropeTable,
      scales: this.scales,
      routing: this.routing,
      weight: (name) => {
        const tensor = this.trained.tensors.get(name) ?? this.frozen?.tensors.get(name);
        invariant(tensor, `no tensor ${name}`);
        return tensor;
      },
      gradient: (name) => this.gradients.tensors.get(name) ?? null,
    };
    const head = config.tiedHead ? EMBEDDING : HEAD;
    const scratch = createGradientScratch(device, config, N, experts);
    const nextInput = (layer: number): Tensor => this.layers[layer + 1]?.input ?? output;
    const forward = (mode: ForwardMode): Dispatch[] => [
      ops.embedding(this.batch.tokens, context.weight(EMBEDDING), this.layers[0]!.input),
      ...this.layers.flatMap((kept, layer) => layerForward(context, layer, kept, nextInput(layer), mode)),
      ops.rmsNorm(output, context.weight(FINAL_NORM), normed, outputInverse, config.rmsNormEpsilon),
      ops.linear(normed, context.weight(head), this.logits),
    ];
    this.forward = forward('scoring');
    this.trainingForward = this.routing?.jitter ? forward('training') : this.forward;
    this.lossOnly = [ops.crossEntropy(this.logits, this.batch.targets, this.batch.tokenWeights, this.loss)];
    const backward = (phase: ContrastPhase): Dispatch[] => [
      ops.fill(this.gradients.whole, 0),
      ...headBackward(context, head, this.logits, normed, output, outputInverse, scratch),
      ...this.layers
        .map((kept, layer) => layerBackward(context, layer, kept, scratch, phase))
        .toReversed()
        .flat(),
      ...embeddingBackward(context, scratch.residual),
    ];
    this.backward = { warm: backward('warm'), main: backward('main') };
  }

  /** Fills what never changes. Call once before the first step. */
  async prepare(): Promise<void> {
    const { config, batch } = this.options;
    await writeTensor(
      this.#device,
      this.#ropeTable,
      ops.ropeTable(batch.T, config.headSize, config.ropeTheta),
    );
    if (this.routing?.contrast) await prepareContrast(this.#device, this.routing.contrast);
  }

  /** What a step changes beside weights and moments: it belongs to a run's exact state. */
  memories(): Map<string, Tensor> {
    const found = new Map<string, Tensor>();
    for (const [index, { queue }] of (this.routing?.contrast?.mixtures ?? []).entries()) {
      const { name: of } = this.mixtures[index]!.mixture;
      for (const [name, tensor] of Object.entries(queue ?? {})) found.set(`queue.${of}.${name}`, tensor);
    }
    return found;
  }
}

function headBackward(
  { weight, gradient }: NetworkContext,
  head: string,
  dlogits: Tensor,
  normed: Tensor,
  output: Tensor,
  outputInverse: Tensor,
  scratch: GradientScratch,
): Dispatch[] {
  const headGradient = gradient(head);
  const normGradient = gradient(FINAL_NORM);
  return [
    ...(headGradient ? [ops.linearBackwardWeight(dlogits, normed, headGradient, true)] : []),
    ops.linearBackwardInput(dlogits, weight(head), scratch.normed),
    ...(normGradient ? [ops.rmsNormBackwardWeight(output, outputInverse, scratch.normed, normGradient)] : []),
    ops.fill(scratch.residual, 0),
    ops.rmsNormBackward(output, weight(FINAL_NORM), outputInverse, scratch.normed, scratch.residual),
  ];
}

function embeddingBackward({ batch, gradient }: NetworkContext, residual: Tensor): Dispatch[] {
  const table = gradient(EMBEDDING);
  return table ? [ops.embeddingBackward(batch.tokens, residual, table)] : [];
}

function createBatchTensors(device: Device, N: number, experts: ExpertPoolShape | null): BatchTensors {
  const ids = (label: string, ...shape: number[]): Tensor => createTensor(device, label, shape, 'u32');
  const routes = experts && {
    routeOfToken: ids('route_of_token', N),
    slots: ids('route_slots', experts.maxRoutes, experts.maxExperts),
    segments: ids('route_segments', experts.maxRoutes, experts.maxExperts),
    priors: createTensor(device, 'route_priors', [experts.maxRoutes, experts.maxExperts]),
    topK: ids('route_top_k', experts.maxRoutes),
  };
  return {
    tokens: ids('tokens', N),
    targets: ids('targets', N),
    positions: ids('positions', N),
    starts: ids('starts', N),
    tokenWeights: createTensor(device, 'token_weights', [N]),
    routes,
  };
}

/** Matrices before norms, so that weight decay covers one prefix of an arena. */
function matricesFirst(shapes: ReadonlyMap<string, readonly number[]>): Map<string, readonly number[]> {
  const entries = [...shapes];
  return new Map([
    ...entries.filter(([, shape]) => shape.length > 1),
    ...entries.filter(([, shape]) => shape.length === 1),
  ]);
}
