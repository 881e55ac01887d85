/** One layer of a serving step: attention over the paged cache, then the FFN whose linears carry experts. */
import { kvWrite, pagedAttention } from '../tensor/attention-ops.ts';
import type { Dispatch, Tensor } from '../tensor/device.ts';
import { expertExpand, expertGate, expertShrink } from '../tensor/expert-ops.ts';
import type { GateTensors, RouteTensors } from '../tensor/expert-ops.ts';
import * as ops from '../tensor/ops.ts';
import type { ModelConfig } from './config.ts';
import type { ExpertPool } from './expert-pool.ts';
import { expertNames, layerNames } from './parameters.ts';
import type { Adapted } from './parameters.ts';

export interface LayerCache {
  /** [pages, pageSize, KV · D] */
  readonly keys: Tensor;
  readonly values: Tensor;
}

/** Buffers of one step over T tokens; layers use them in turn. */
export interface StepTensors {
  readonly tokens: Tensor;
  readonly positions: Tensor;
  readonly sequences: Tensor;
  readonly ropeTable: Tensor;
  /** [T, C], carried from layer to layer. */
  readonly residual: Tensor;
  readonly normed: Tensor;
  readonly inverse: Tensor;
  readonly queryRaw: Tensor;
  readonly keyRaw: Tensor;
  readonly query: Tensor;
  readonly key: Tensor;
  readonly value: Tensor;
  readonly attended: Tensor;
  readonly gate: Tensor;
  readonly up: Tensor;
  readonly activated: Tensor;
  readonly expertHidden: Tensor;
  readonly choice: GateTensors;
  readonly routes: RouteTensors;
}

export interface LayerContext {
  readonly config: ModelConfig;
  readonly weight: (name: string) => Tensor;
  /** Null when no token of the batch has a shard: the step is then the base's own. */
  readonly experts: ExpertPool | null;
  /** [rows, maxPages] */
  readonly pageTable: Tensor;
}

export function serveLayer(
  context: LayerContext,
  layer: number,
  cache: LayerCache,
  step: StepTensors,
): Dispatch[] {
  return [...attention(context, layer, cache, step), ...ffn(context, layer, step)];
}

function attention(
  { config, weight, pageTable }: LayerContext,
  layer: number,
  cache: LayerCache,
  step: StepTensors,
): Dispatch[] {
  const names = layerNames(layer);
  const { rmsNormEpsilon: epsilon, headSize: D } = config;
  const { normed, queryRaw, keyRaw, query, key, value, inverse, positions, sequences } = step;
  const pages = { ...cache, pageTable, sequences, positions };
  return [
    ops.rmsNorm(step.residual, weight(names.inputNorm), normed, inverse, epsilon),
    ops.linear(normed, weight(names.query), queryRaw),
    ops.linear(normed, weight(names.key), keyRaw),
    ops.linear(normed, weight(names.value), value),
    ops.rmsNorm(queryRaw, weight(names.queryNorm), query, inverse, epsilon),
    ops.rmsNorm(keyRaw, weight(names.keyNorm), key, inverse, epsilon),
    ops.rope(query, positions, step.ropeTable, D, 1),
    ops.rope(key, positions, step.ropeTable, D, 1),
    kvWrite(key, value, pages),
    pagedAttention(query, pages, step.attended, config),
    ops.linear(step.attended, weight(names.output), step.residual, true),
  ];
}

function ffn(context: LayerContext, layer: number, step: StepTensors): Dispatch[] {
  const { config, weight, experts } = context;
  const names = layerNames(layer);
  const { normed, gate, up, activated, residual } = step;
  return [
    ops.rmsNorm(residual, weight(names.ffnNorm), normed, step.inverse, config.rmsNormEpsilon),
    ...(experts
      ? [expertGate(normed, experts.tensor(expertNames(layer).router), step.routes, step.choice)]
      : []),
    ops.linear(normed, weight(names.gate), gate),
    ...adapt(experts, layer, 'gate_proj', step, normed, gate),
    ops.linear(normed, weight(names.up), up),
    ...adapt(experts, layer, 'up_proj', step, normed, up),
    ops.swiglu(gate, up, activated),
    ops.linear(activated, weight(names.down), residual, true),
    ...adapt(experts, layer, 'down_proj', step, activated, residual),
  ];
}

/** y += Σ g_e · (α/R) · B_e A_e x over the chosen experts. */
function adapt(
  experts: ExpertPool | null,
  layer: number,
  linear: Adapted,
  { choice, expertHidden }: StepTensors,
  x: Tensor,
  y: Tensor,
): Dispatch[] {
  if (!experts) return [];
  const names = expertNames(layer);
  return [
    expertShrink(x, experts.tensor(names.a(linear)), choice.slots, expertHidden),
    expertExpand(
      expertHidden,
      experts.tensor(names.b(linear)),
      choice.slots,
      choice.weights,
      experts.scales,
      y,
    ),
  ];
}
