/** Forward pass of one layer: attention, then the FFN; the linears of both may carry experts. */
import { layerNames } from '../../model/parameters.ts';
import type { Adapted } from '../../model/parameters.ts';
import { rowAttention } from '../../tensor/attention-ops.ts';
import type { RowAttention, RowShape } from '../../tensor/attention-ops.ts';
import type { Dispatch, Tensor } from '../../tensor/device.ts';
import * as ops from '../../tensor/ops.ts';
import type { LayerActivations } from './activations.ts';
import type { NetworkContext } from './context.ts';
import { expertForward, gateForward } from './expert-forward.ts';
import type { ForwardMode } from './expert-forward.ts';

export function layerForward(
  context: NetworkContext,
  layer: number,
  kept: LayerActivations,
  output: Tensor,
  mode: ForwardMode,
): Dispatch[] {
  return [...attentionForward(context, layer, kept, mode), ...ffnForward(context, layer, kept, output, mode)];
}

function attentionForward(
  context: NetworkContext,
  layer: number,
  kept: LayerActivations,
  mode: ForwardMode,
): Dispatch[] {
  const { options, batch, ropeTable, weight } = context;
  const { normed, experts } = kept;
  const adapt = (linear: Adapted, x: Tensor, y: Tensor): Dispatch[] =>
    expertForward(context, experts.attention, linear, x, y);
  const { rmsNormEpsilon: epsilon, headSize } = options.config;
  const names = layerNames(layer);
  return [
    ops.rmsNorm(kept.input, weight(names.inputNorm), normed, kept.inputInverse, epsilon),
    ...gateForward(context, experts.attention, normed, mode),
    ops.linear(normed, weight(names.query), kept.queryRaw),
    ...adapt('q_proj', normed, kept.queryRaw),
    ops.linear(normed, weight(names.key), kept.keyRaw),
    ...adapt('k_proj', normed, kept.keyRaw),
    ops.linear(normed, weight(names.value), kept.value),
    ...adapt('v_proj', normed, kept.value),
    ops.rmsNorm(kept.queryRaw, weight(names.queryNorm), kept.query, kept.queryInverse, epsilon),
    ops.rmsNorm(kept.keyRaw, weight(names.keyNorm), kept.key, kept.keyInverse, epsilon),
    ops.rope(kept.query, batch.positions, ropeTable, headSize, 1),
    ops.rope(kept.key, batch.positions, ropeTable, headSize, 1),
    rowAttention(rowTensors(context, kept), rowShape(context)),
    ops.copy(kept.input, kept.middle),
    ops.linear(kept.attended, weight(names.output), kept.middle, true),
    ...adapt('o_proj', kept.attended, kept.middle),
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
  const adapt = (linear: Adapted, x: Tensor, y: Tensor): Dispatch[] =>
    expertForward(context, kept.experts.ffn, linear, x, y);
  return [
    ops.rmsNorm(
      kept.middle,
      weight(names.ffnNorm),
      kept.ffnNormed,
      kept.middleInverse,
      options.config.rmsNormEpsilon,
    ),
    ...gateForward(context, kept.experts.ffn, kept.ffnNormed, mode),
    ops.linear(kept.ffnNormed, weight(names.gate), kept.gate),
    ...adapt('gate_proj', kept.ffnNormed, kept.gate),
    ops.linear(kept.ffnNormed, weight(names.up), kept.up),
    ...adapt('up_proj', kept.ffnNormed, kept.up),
    ops.swiglu(kept.gate, kept.up, kept.activated),
    ops.copy(kept.middle, output),
    ops.linear(kept.activated, weight(names.down), output, true),
    ...adapt('down_proj', kept.activated, output),
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
