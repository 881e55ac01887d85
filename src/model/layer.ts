/**
 * One layer of a serving step: attention over the paged cache, then the FFN whose linears carry experts. The number of
 * dispatches is fixed: it knows neither shards nor requests nor their experts. A batch without any shard skips two; one
 * where attention is split over a long sequence takes one more.
 */
import { pagedAttention } from '../tensor/attention-ops.ts';
import type { Dispatch, Tensor } from '../tensor/device.ts';
import { expertShrink } from '../tensor/expert-ops.ts';
import * as serving from '../tensor/serving-ops.ts';
import type { Choice, ExpertSide } from '../tensor/serving-ops.ts';
import type { ModelConfig } from './config.ts';
import type { ExpertLayer } from './expert-pool.ts';
import type { LayerWeights } from './serving-weights.ts';
import type { StepInputs } from './step-inputs.ts';

export interface LayerCache {
  /** [pages, pageSize, KV · D] */
  readonly keys: Tensor;
  readonly values: Tensor;
}

export interface ServingLayer {
  readonly weights: LayerWeights;
  readonly experts: ExpertLayer;
  readonly cache: LayerCache;
}

/** Buffers of one step over T tokens; layers use them in turn. */
export interface StepTensors {
  /** [T, C], carried from layer to layer. */
  readonly residual: Tensor;
  /** [T, C] */
  readonly normed: Tensor;
  /** [T, (H + 2·KV) · D] */
  readonly queryKeyValue: Tensor;
  /** [T, H · D] */
  readonly query: Tensor;
  /** [T, H · D] */
  readonly attended: Tensor;
  /** Partial sums of attention, for the chunks that a step splits: `partialsShape`. */
  readonly partials: Tensor;
  /** [T, F] */
  readonly activated: Tensor;
  /** [T, K, 2, R] */
  readonly hidden: Tensor;
  /** [T, K]; K is 0 when no token of the batch has a shard: the step is then the base's own. */
  readonly choice: Choice;
}

export interface LayerContext {
  readonly config: ModelConfig;
  readonly ropeTable: Tensor;
  /** [S] of the expert pool. */
  readonly scales: Tensor;
  readonly inputs: StepInputs;
}

export function serveLayer(context: LayerContext, layer: ServingLayer, step: StepTensors): Dispatch[] {
  return [...attention(context, layer, step), ...ffn(context, layer, step)];
}

function attention(
  { config, ropeTable, scales, inputs }: LayerContext,
  { weights, experts, cache }: ServingLayer,
  step: StepTensors,
): Dispatch[] {
  const { rmsNormEpsilon: epsilon } = config;
  const { residual, queryKeyValue, query, attended, partials } = step;
  const pages = { ...cache, ...inputs };
  const none = noExperts(step, experts.downB, scales);
  return [
    serving.normLinear(residual, weights.inputNorm, weights.queryKeyValue, queryKeyValue, epsilon),
    serving.qkPrepare(queryKeyValue, weights.headNorms, ropeTable, pages, query, config, epsilon),
    ...pagedAttention(query, pages, inputs.attention, partials, attended, config),
    serving.linearExperts(attended, weights.output, none, residual),
  ];
}

function ffn(
  { config, scales, inputs }: LayerContext,
  { weights, experts }: ServingLayer,
  step: StepTensors,
): Dispatch[] {
  const { residual, normed, activated, hidden, choice } = step;
  const { router, gateUpA, gateUpB, downA, downB } = experts;
  const [T = 0, K = 0] = choice.slots.shape;
  const [S = 0, R = 0] = downA.shape;
  const none = K === 0;
  const narrow = { ...hidden, shape: [T, K, R] };
  const wideA = { ...gateUpA, shape: [S, 2 * R, gateUpA.shape[3]!] };
  const gateUp = none ? noExperts(step, gateUpB, scales) : { choice, hidden, b: gateUpB, scales };
  const down = none ? noExperts(step, downB, scales) : { choice, hidden: narrow, b: downB, scales };
  const epsilon = config.rmsNormEpsilon;
  return [
    serving.normGate(residual, weights.ffnNorm, router, inputs.routes, normed, choice, epsilon),
    ...(none ? [] : [expertShrink(normed, wideA, choice.slots, hidden)]),
    serving.swigluExperts(normed, weights.gateUp, gateUp, activated),
    ...(none ? [] : [expertShrink(activated, downA, choice.slots, narrow)]),
    serving.linearExperts(activated, weights.down, down, residual),
  ];
}

/** Nothing of the pool is bound at its size, so that no device moves experts that nobody reads. */
function noExperts({ hidden, choice }: StepTensors, b: Tensor, scales: Tensor): ExpertSide {
  return {
    choice: { slots: empty(choice.slots), weights: empty(choice.weights) },
    hidden: empty(hidden),
    b: empty(b),
    scales: empty(scales),
  };
}

function empty(tensor: Tensor): Tensor {
  return { ...tensor, shape: [0, 0] };
}
