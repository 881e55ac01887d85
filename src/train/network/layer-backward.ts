/** Backward pass of one layer: `scratch.residual` holds the gradient of the layer's output, and then of its input. */
import { expertNames, layerNames } from '../../model/parameters.ts';
import type { Adapted } from '../../model/parameters.ts';
import { rowAttentionBackward } from '../../tensor/attention-ops.ts';
import { gateBalanceBackward, gateLoad, jitter } from '../../tensor/contrast-ops.ts';
import type { Dispatch, Tensor } from '../../tensor/device.ts';
import * as expertOps from '../../tensor/expert-ops.ts';
import * as ops from '../../tensor/ops.ts';
import { layerContrast } from '../contrast/layer-contrast.ts';
import type { ContrastPhase, LayerContrast } from '../contrast/layer-contrast.ts';
import type { ExpertActivations, LayerActivations } from './activations.ts';
import { jitteredInput, rowShape, rowTensors } from './layer-forward.ts';
import type { NetworkContext } from './context.ts';
import type { GradientScratch } from './scratch.ts';

export function layerBackward(
  context: NetworkContext,
  layer: number,
  kept: LayerActivations,
  scratch: GradientScratch,
  phase: ContrastPhase,
): Dispatch[] {
  const contrast = layerContrast(context, layer, kept.experts, scratch, phase);
  const ffn = ffnBackward(context, layer, kept, scratch, contrast);
  // With a frozen base nothing below the first FFN is trained.
  if (layer === 0 && !context.options.trainBase) return ffn;
  return [...ffn, ...attentionBackward(context, layer, kept, scratch)];
}

function ffnBackward(
  context: NetworkContext,
  layer: number,
  kept: LayerActivations,
  scratch: GradientScratch,
  contrast: LayerContrast,
): Dispatch[] {
  const { weight } = context;
  const names = layerNames(layer);
  const { residual, normed } = scratch;
  const experts = (linear: Adapted, x: Tensor, dy: Tensor, dx: Tensor): Dispatch[] =>
    expertBackward(context, layer, kept, scratch, { linear, x, dy, dx, contrast: contrast.hidden[linear] });
  return [
    ...(scratch.experts ? [ops.fill(scratch.experts.weights, 0)] : []),
    ...contrast.before,
    ops.linearBackwardInput(residual, weight(names.down), scratch.activated),
    ...weightBackward(context, names.down, residual, kept.activated),
    ...experts('down_proj', kept.activated, residual, scratch.activated),
    ops.swigluBackward(kept.gate, kept.up, scratch.activated, scratch.gate, scratch.up),
    ops.linearBackwardInput(scratch.gate, weight(names.gate), normed),
    ops.linearBackwardInput(scratch.up, weight(names.up), normed, true),
    ...weightBackward(context, names.gate, scratch.gate, kept.ffnNormed),
    ...weightBackward(context, names.up, scratch.up, kept.ffnNormed),
    ...experts('gate_proj', kept.ffnNormed, scratch.gate, normed),
    ...experts('up_proj', kept.ffnNormed, scratch.up, normed),
    ...gateBackward(context, layer, kept, scratch, contrast.logits),
    ...normBackward(context, names.ffnNorm, kept.middle, kept.middleInverse, normed, residual),
  ];
}

function attentionBackward(
  context: NetworkContext,
  layer: number,
  kept: LayerActivations,
  scratch: GradientScratch,
): Dispatch[] {
  const { batch, ropeTable, weight, options } = context;
  const { headSize } = options.config;
  const names = layerNames(layer);
  const { residual, normed, query, key, value, queryRaw, keyRaw } = scratch;
  return [
    ops.linearBackwardInput(residual, weight(names.output), scratch.attended),
    ...weightBackward(context, names.output, residual, kept.attended),
    rowAttentionBackward(
      rowTensors(context, kept),
      scratch.attended,
      { dq: query, dk: key, dv: value },
      rowShape(context),
    ),
    ops.rope(query, batch.positions, ropeTable, headSize, -1),
    ops.rope(key, batch.positions, ropeTable, headSize, -1),
    ops.fill(queryRaw, 0),
    ops.fill(keyRaw, 0),
    ...normBackward(context, names.queryNorm, kept.queryRaw, kept.queryInverse, query, queryRaw),
    ...normBackward(context, names.keyNorm, kept.keyRaw, kept.keyInverse, key, keyRaw),
    ...weightBackward(context, names.query, queryRaw, kept.normed),
    ...weightBackward(context, names.key, keyRaw, kept.normed),
    ...weightBackward(context, names.value, value, kept.normed),
    ops.linearBackwardInput(queryRaw, weight(names.query), normed),
    ops.linearBackwardInput(keyRaw, weight(names.key), normed, true),
    ops.linearBackwardInput(value, weight(names.value), normed, true),
    ...normBackward(context, names.inputNorm, kept.input, kept.inputInverse, normed, residual),
  ];
}

interface AdaptedBackward {
  readonly linear: Adapted;
  readonly x: Tensor;
  readonly dy: Tensor;
  /** Added to. */
  readonly dx: Tensor;
  /** Adds the contrastive loss's part to the gradient of the hidden states. */
  readonly contrast: readonly Dispatch[];
}

/** Gradients of one adapted linear's experts: of A, B, the gate's weights, and of the linear's input. */
function expertBackward(
  { weight, gradient, scales }: NetworkContext,
  layer: number,
  { experts }: LayerActivations,
  scratch: GradientScratch,
  { linear, x, dy, dx, contrast }: AdaptedBackward,
): Dispatch[] {
  if (!experts || !scratch.experts || !scales) return [];
  const names = expertNames(layer);
  const { slots } = experts.gate;
  const { hidden: dh, weights: dweights } = scratch.experts;
  const hidden = experts.hidden[linear];
  const a = weight(names.a(linear));
  const b = weight(names.b(linear));
  return [
    expertOps.expertExpandBackward(hidden, b, experts.gate, scales, dy, dh, dweights),
    expertOps.expertExpandBackwardWeight(hidden, experts.gate, scales, dy, gradient(names.b(linear))!),
    ...contrast,
    expertOps.expertShrinkBackward(dh, a, slots, dx),
    expertOps.expertShrinkBackwardWeight(dh, x, slots, gradient(names.a(linear))!),
  ];
}

function gateBackward(
  context: NetworkContext,
  layer: number,
  { experts, ffnNormed }: LayerActivations,
  scratch: GradientScratch,
  contrast: readonly Dispatch[],
): Dispatch[] {
  if (!experts || !scratch.experts) return [];
  const { batch, weight, gradient, routing, options } = context;
  const routes = batch.routes!;
  const { router } = expertNames(layer);
  const { weights: dweights, logits: dlogits } = scratch.experts;
  const jittered = jitteredInput(context, layer, ffnNormed);
  const intoInput = (dx: Tensor): Dispatch =>
    expertOps.expertGateBackwardInput(dlogits, routes, weight(router), dx);
  return [
    expertOps.expertGateBackward(routes, experts.gate, dweights, dlogits),
    ...contrast,
    ...balanceBackward(context, layer, experts, dlogits),
    ...(jittered?.dispatches ?? []),
    expertOps.expertGateBackwardWeight(dlogits, jittered?.x ?? ffnNormed, routes, gradient(router)!),
    ...(routing?.jitter
      ? [
          ops.fill(routing.jitter.dx, 0),
          intoInput(routing.jitter.dx),
          jitter(
            routing.jitter.dx,
            routing.jitter.seeds[layer]!,
            scratch.normed,
            options.routing!.jitter,
            true,
          ),
        ]
      : [intoInput(scratch.normed)]),
  ];
}

/** Load balance and z-loss, means over layers; their statistics are kept to be reported. */
function balanceBackward(
  { batch, routing, options }: NetworkContext,
  layer: number,
  { gate }: ExpertActivations,
  dlogits: Tensor,
): Dispatch[] {
  if (!routing?.stats || !options.routing) return [];
  const stats = routing.stats[layer]!;
  const weights = {
    balance: options.routing.balance / routing.stats.length,
    z: options.routing.zLoss / routing.stats.length,
  };
  return [
    gateLoad(batch.routes!, gate, batch.tokenWeights, stats),
    gateBalanceBackward(batch.routes!, gate.logits, batch.tokenWeights, stats, dlogits, weights),
  ];
}

function weightBackward(context: NetworkContext, name: string, dy: Tensor, x: Tensor): Dispatch[] {
  const target = context.gradient(name);
  return target ? [ops.linearBackwardWeight(dy, x, target, true)] : [];
}

function normBackward(
  { weight, gradient }: NetworkContext,
  name: string,
  x: Tensor,
  inverse: Tensor,
  dy: Tensor,
  dx: Tensor,
): Dispatch[] {
  const target = gradient(name);
  return [
    ...(target ? [ops.rmsNormBackwardWeight(x, inverse, dy, target)] : []),
    ops.rmsNormBackward(x, weight(name), inverse, dy, dx),
  ];
}
