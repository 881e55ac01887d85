/** Embeddings from the experts' hidden states: z = Σ_l P_l A_l x. */
import { ADAPTED } from '../../model/parameters.ts';
import type { Adapted } from '../../model/parameters.ts';
import type { Dispatch } from '../../tensor/device.ts';
import * as ops from '../../tensor/ops.ts';
import { gatherAnchors, rowsOf } from './embedder.ts';
import type { Embedder, EmbedderInput } from './embedder.ts';
import { contrastNames } from './parameters.ts';

export function embedHidden(input: EmbedderInput): Embedder {
  const scatter = (linear: Adapted): Dispatch[] => [scatterRows(input, linear)];
  return {
    forward: [...gatherAnchors(input), ...gatherRows(input), ...project(input)],
    backward: projectBackward(input),
    teachesGate: true,
    hidden: {
      gate_proj: scatter('gate_proj'),
      up_proj: scatter('up_proj'),
      down_proj: scatter('down_proj'),
    },
    logits: [],
  };
}

export function gatherRows({ experts, tensors }: EmbedderInput): Dispatch[] {
  return ADAPTED.map((linear) =>
    ops.embedding(tensors.places, rowsOf(experts.hidden[linear]), tensors.rows[linear]),
  );
}

/** Adds the gradient of the anchors' rows to that of the whole batch's. */
export function scatterRows({ scratch, tensors }: EmbedderInput, linear: Adapted): Dispatch {
  return ops.embeddingBackward(tensors.places, tensors.dRows[linear], rowsOf(scratch.hidden));
}

export function project({ context, layer, tensors }: EmbedderInput): Dispatch[] {
  const names = contrastNames(layer);
  return ADAPTED.map((linear, index) =>
    ops.linear(tensors.rows[linear], context.weight(names.projector(linear)), tensors.z, index > 0),
  );
}

export function projectBackward({ context, layer, tensors }: EmbedderInput): Dispatch[] {
  const names = contrastNames(layer);
  const { dz, rows, dRows } = tensors;
  return ADAPTED.flatMap((linear) => {
    const name = names.projector(linear);
    return [
      ops.linearBackwardInput(dz, context.weight(name), dRows[linear]),
      ops.linearBackwardWeight(dz, rows[linear], context.gradient(name)!, true),
    ];
  });
}
