/** Embeddings from the experts' hidden states: z = Σ_l P_l A_l x. */
import type { Adapted } from '../../model/parameters.ts';
import type { Dispatch } from '../../tensor/device.ts';
import * as ops from '../../tensor/ops.ts';
import { gatherAnchors, rowsOf } from './embedder.ts';
import type { Embedder, EmbedderInput } from './embedder.ts';
import { contrastNames } from './parameters.ts';

export function embedHidden(input: EmbedderInput): Embedder {
  return {
    forward: [...gatherAnchors(input), ...gatherRows(input), ...project(input)],
    backward: projectBackward(input),
    teachesGate: true,
    hidden: scatterRows(input),
    logits: [],
  };
}

export function gatherRows({ experts, tensors }: EmbedderInput): Dispatch[] {
  return [...experts.hidden].map(([linear, hidden]) =>
    ops.embedding(tensors.places, rowsOf(hidden), tensors.rows.get(linear)!),
  );
}

/** For each linear: adds the gradient of the anchors' rows to that of the whole batch's. */
export function scatterRows({ experts, scratch, tensors }: EmbedderInput): Map<Adapted, Dispatch[]> {
  const scatter = (linear: Adapted): Dispatch =>
    ops.embeddingBackward(tensors.places, tensors.dRows.get(linear)!, rowsOf(scratch.hidden));
  return new Map(experts.mixture.linears.map((linear) => [linear, [scatter(linear)]]));
}

export function project({ context, experts, tensors }: EmbedderInput): Dispatch[] {
  const { layer, linears } = experts.mixture;
  const names = contrastNames(layer);
  return linears.map((linear, index) =>
    ops.linear(tensors.rows.get(linear)!, context.weight(names.projector(linear)), tensors.z, index > 0),
  );
}

export function projectBackward({ context, experts, tensors }: EmbedderInput): Dispatch[] {
  const { layer, linears } = experts.mixture;
  const names = contrastNames(layer);
  const { dz, rows, dRows } = tensors;
  return linears.flatMap((linear) => {
    const name = names.projector(linear);
    return [
      ops.linearBackwardInput(dz, context.weight(name), dRows.get(linear)!),
      ops.linearBackwardWeight(dz, rows.get(linear)!, context.gradient(name)!, true),
    ];
  });
}
