/** Backward pass of one layer: `scratch.residual` holds the gradient of the layer's output, and then of its input. */
import { layerNames } from '../../model/parameters.ts';
import { rowAttentionBackward } from '../../tensor/attention-ops.ts';
import type { Dispatch, Tensor } from '../../tensor/device.ts';
import * as ops from '../../tensor/ops.ts';
import type { ContrastPhase } from '../contrast/layer-contrast.ts';
import type { LayerActivations } from './activations.ts';
import type { NetworkContext } from './context.ts';
import { mixtureBackward } from './expert-backward.ts';
import type { MixtureBackward } from './expert-backward.ts';
import { rowShape, rowTensors } from './layer-forward.ts';
import type { GradientScratch } from './scratch.ts';

export function layerBackward(
  context: NetworkContext,
  layer: number,
  kept: LayerActivations,
  scratch: GradientScratch,
  phase: ContrastPhase,
): Dispatch[] {
  const { ffn, attention } = kept.experts;
  const upper = ffnBackward(context, layer, kept, scratch, mixtureBackward(context, ffn, scratch, phase));
  // With a frozen base nothing below the first FFN is trained, unless attention has experts too.
  if (layer === 0 && !context.options.trainBase && !attention) return upper;
  const experts = mixtureBackward(context, attention, scratch, phase);
  return [...upper, ...attentionBackward(context, layer, kept, scratch, experts)];
}

function ffnBackward(
  context: NetworkContext,
  layer: number,
  kept: LayerActivations,
  scratch: GradientScratch,
  experts: MixtureBackward,
): Dispatch[] {
  const { weight } = context;
  const names = layerNames(layer);
  const { residual, normed } = scratch;
  return [
    ...experts.before,
    ops.linearBackwardInput(residual, weight(names.down), scratch.activated),
    ...weightBackward(context, names.down, residual, kept.activated),
    ...experts.linear('down_proj', kept.activated, residual, scratch.activated),
    ops.swigluBackward(kept.gate, kept.up, scratch.activated, scratch.gate, scratch.up),
    ops.linearBackwardInput(scratch.gate, weight(names.gate), normed),
    ops.linearBackwardInput(scratch.up, weight(names.up), normed, true),
    ...weightBackward(context, names.gate, scratch.gate, kept.ffnNormed),
    ...weightBackward(context, names.up, scratch.up, kept.ffnNormed),
    ...experts.linear('gate_proj', kept.ffnNormed, scratch.gate, normed),
    ...experts.linear('up_proj', kept.ffnNormed, scratch.up, normed),
    ...experts.gate(kept.ffnNormed, normed),
    ...normBackward(context, names.ffnNorm, kept.middle, kept.middleInverse, normed, residual),
  ];
}

function attentionBackward(
  context: NetworkContext,
  layer: number,
  kept: LayerActivations,
  scratch: GradientScratch,
  experts: MixtureBackward,
): Dispatch[] {
  const { batch, ropeTable, weight, options } = context;
  const { headSize } = options.config;
  const names = layerNames(layer);
  const { residual, normed, query, key, value, queryRaw, keyRaw } = scratch;
  return [
    ...experts.before,
    ops.linearBackwardInput(residual, weight(names.output), scratch.attended),
    ...weightBackward(context, names.output, residual, kept.attended),
    ...experts.linear('o_proj', kept.attended, residual, scratch.attended),
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
    ...experts.linear('q_proj', kept.normed, queryRaw, normed),
    ...experts.linear('k_proj', kept.normed, keyRaw, normed),
    ...experts.linear('v_proj', kept.normed, value, normed),
    ...experts.gate(kept.normed, normed),
    ...normBackward(context, names.inputNorm, kept.input, kept.inputInverse, normed, residual),
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
