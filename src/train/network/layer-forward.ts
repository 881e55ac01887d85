/** Forward pass of one layer: attention, then the FFN whose linears carry experts. */
import { expertNames, layerNames } from '../../model/parameters.ts';
import type { Adapted } from '../../model/parameters.ts';
import { rowAttention } from '../../tensor/attention-ops.ts';
import type { RowAttention, RowShape } from '../../tensor/attention-ops.ts';
import { jitter } from '../../tensor/contrast-ops.ts';
import type { Dispatch, Tensor } from '../../tensor/device.ts';
import { expertExpand, expertGate, expertShrink } from '../../tensor/expert-ops.ts';
import * as ops from '../../tensor/ops.ts';
import type { LayerActivations } from './activations.ts';
import type { NetworkContext } from './context.ts';

/** Gates are jittered in training alone. */
export type ForwardMode = 'training' | 'scoring';

export function layerForward(
  context: NetworkContext,
  layer: number,
  kept: LayerActivations,
  output: Tensor,
  mode: ForwardMode,
): Dispatch[] {
  return [...attentionForward(context, layer, kept), ...ffnForward(context, layer, kept, output, mode)];
}

function attentionForward(context: NetworkContext, layer: number, kept: LayerActivations): Dispatch[] {
  const { options, batch, ropeTable, weight } = context;
  const { rmsNormEpsilon: epsilon, headSize } = options.config;
  const names = layerNames(layer);
  return [
    ops.rmsNorm(kept.input, weight(names.inputNorm), kept.normed, kept.inputInverse, epsilon),
    ops.linear(kept.normed, weight(names.query), kept.queryRaw),
    ops.linear(kept.normed, weight(names.key), kept.keyRaw),
    ops.linear(kept.normed, weight(names.value), kept.value),
    ops.rmsNorm(kept.queryRaw, weight(names.queryNorm), kept.query, kept.queryInverse, epsilon),
    ops.rmsNorm(kept.keyRaw, weight(names.keyNorm), kept.key, kept.keyInverse, epsilon),
    ops.rope(kept.query, batch.positions, ropeTable, headSize, 1),
    ops.rope(kept.key, batch.positions, ropeTable, headSize, 1),
    rowAttention(rowTensors(context, kept), rowShape(context)),
    ops.copy(kept.input, kept.middle),
    ops.linear(kept.attended, weight(names.output), kept.middle, true),
  ];
}

function ffnForward(
  context: NetworkContext,
  layer: number,
  kept: LayerActivations,
  output: Tensor,
  mode: ForwardMode,
): Dispatch[] {
  const { options, weight } = context;
  const names = layerNames(layer);
  return [
    ops.rmsNorm(
      kept.middle,
      weight(names.ffnNorm),
      kept.ffnNormed,
      kept.middleInverse,
      options.config.rmsNormEpsilon,
    ),
    ...gateForward(context, layer, kept, mode),
    ops.linear(kept.ffnNormed, weight(names.gate), kept.gate),
    ...expertForward(context, layer, kept, 'gate_proj', kept.ffnNormed, kept.gate),
    ops.linear(kept.ffnNormed, weight(names.up), kept.up),
    ...expertForward(context, layer, kept, 'up_proj', kept.ffnNormed, kept.up),
    ops.swiglu(kept.gate, kept.up, kept.activated),
    ops.copy(kept.middle, output),
    ops.linear(kept.activated, weight(names.down), output, true),
    ...expertForward(context, layer, kept, 'down_proj', kept.activated, output),
  ];
}

function gateForward(
  context: NetworkContext,
  layer: number,
  { experts, ffnNormed }: LayerActivations,
  mode: ForwardMode,
): Dispatch[] {
  if (!experts) return [];
  const routes = context.batch.routes!;
  const router = context.weight(expertNames(layer).router);
  const jittered = mode === 'training' ? jitteredInput(context, layer, ffnNormed) : null;
  return [
    ...(jittered?.dispatches ?? []),
    expertGate(jittered?.x ?? ffnNormed, router, routes, experts.gate),
  ];
}

/** The gate's input in training, in a buffer that the layers share: made anew for the backward pass. */
export function jitteredInput(
  { routing, options }: NetworkContext,
  layer: number,
  ffnNormed: Tensor,
): { readonly x: Tensor; readonly dispatches: Dispatch[] } | null {
  if (!routing?.jitter || !options.routing) return null;
  const { x, seeds } = routing.jitter;
  return { x, dispatches: [jitter(ffnNormed, seeds[layer]!, x, options.routing.jitter)] };
}

function expertForward(
  { weight, scales }: NetworkContext,
  layer: number,
  { experts }: LayerActivations,
  linear: Adapted,
  x: Tensor,
  y: Tensor,
): Dispatch[] {
  if (!experts || !scales) return [];
  const names = expertNames(layer);
  const { slots, weights } = experts.gate;
  const hidden = experts.hidden[linear];
  return [
    expertShrink(x, weight(names.a(linear)), slots, hidden),
    expertExpand(hidden, weight(names.b(linear)), slots, weights, scales, y),
  ];
}

export function rowTensors({ batch }: NetworkContext, kept: LayerActivations): RowAttention {
  const { query: q, key: k, value: v, attended: o, logSumExp } = kept;
  return { q, k, v, starts: batch.starts, o, logSumExp };
}

export function rowShape({ options }: NetworkContext): RowShape {
  const { heads, keyValueHeads, headSize } = options.config;
  return { ...options.batch, heads, keyValueHeads, headSize };
}
