/** Embeddings from the experts' whole outputs: z = Σ_l P_l (α/R) B_l A_l x. */
import { expertNames } from '../../model/parameters.ts';
import type { Adapted } from '../../model/parameters.ts';
import type { Dispatch, Tensor } from '../../tensor/device.ts';
import * as expertOps from '../../tensor/expert-ops.ts';
import type { GateTensors } from '../../tensor/expert-ops.ts';
import * as ops from '../../tensor/ops.ts';
import { elements } from '../../tensor/tensors.ts';
import { gatherRows, scatterRows } from './embed-hidden.ts';
import { column, gatherAnchors, viewAs } from './embedder.ts';
import type { Embedder, EmbedderInput } from './embedder.ts';
import { contrastNames } from './parameters.ts';

export function embedOutputs(input: EmbedderInput): Embedder {
  const { linears } = input.experts.mixture;
  return {
    forward: [
      ...gatherAnchors(input),
      ...gatherRows(input),
      ...linears.flatMap((linear, i) => expand(input, linear, i > 0)),
    ],
    backward: linears.flatMap((linear) => expandBackward(input, linear)),
    teachesGate: true,
    hidden: scatterRows(input),
    logits: [],
  };
}

function expand(input: EmbedderInput, linear: Adapted, accumulate: boolean): Dispatch[] {
  const { context, experts, tensors } = input;
  const { layer } = experts.mixture;
  const { y } = tensors.outputs!.get(linear)!;
  const { slots, weights } = anchorGate(input);
  const b = context.weight(expertNames(layer).b(linear));
  const projector = context.weight(contrastNames(layer).outputProjector(linear));
  return [
    ops.fill(y, 0),
    expertOps.expertExpand(asHidden(tensors.rows.get(linear)!), b, slots, weights, context.scales!, y),
    ops.linear(y, projector, tensors.z, accumulate),
  ];
}

function expandBackward(input: EmbedderInput, linear: Adapted): Dispatch[] {
  const { context, experts, tensors } = input;
  const { layer } = experts.mixture;
  const { y, dy } = tensors.outputs!.get(linear)!;
  const gate = anchorGate(input);
  const names = expertNames(layer);
  const projector = contrastNames(layer).outputProjector(linear);
  const b = names.b(linear);
  const rows = asHidden(tensors.rows.get(linear)!);
  const dRows = asHidden(tensors.dRows.get(linear)!);
  const { scales } = context;
  return [
    ops.linearBackwardInput(tensors.dz, context.weight(projector), dy),
    ops.linearBackwardWeight(tensors.dz, y, context.gradient(projector)!, true),
    // The weights are ones: what would be their gradient is left where it is overwritten next.
    expertOps.expertExpandBackward(rows, context.weight(b), gate, scales!, dy, dRows, tensors.dWeights),
    expertOps.expertExpandBackwardWeight(rows, gate, scales!, dy, context.gradient(b)!),
  ];
}

/** Each anchor with its own expert at weight 1. */
function anchorGate({ experts, tensors, own }: EmbedderInput): GateTensors {
  return { ...experts.gate, slots: column(own.owner), weights: tensors.ones };
}

function asHidden(rows: Tensor): Tensor {
  const R = rows.shape.at(-1)!;
  return viewAs(rows, [elements(rows.shape) / R, 1, R]);
}
