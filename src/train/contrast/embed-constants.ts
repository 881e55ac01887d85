/** The control: embeddings from a learned vector of each expert, the same for every token. */
import { ADAPTED } from '../../model/parameters.ts';
import type { Dispatch, Tensor } from '../../tensor/device.ts';
import { expertShrink, expertShrinkBackwardWeight } from '../../tensor/expert-ops.ts';
import { elements } from '../../tensor/tensors.ts';
import { project, projectBackward } from './embed-hidden.ts';
import { column, gatherAnchors, viewAs } from './embedder.ts';
import type { Embedder, EmbedderInput } from './embedder.ts';
import { contrastNames } from './parameters.ts';

/** A vector of an expert is A x with x = 1. */
export function embedConstants(input: EmbedderInput): Embedder {
  const { context, layer, tensors, own } = input;
  const names = contrastNames(layer);
  const owner = column(own.owner);
  const asHidden = (rows: Tensor): Tensor => viewAs(rows, [elements(owner.shape), 1, rows.shape[1]!]);
  const look: Dispatch[] = ADAPTED.map((linear) =>
    expertShrink(tensors.ones, context.weight(names.constant(linear)), owner, asHidden(tensors.rows[linear])),
  );
  const learn: Dispatch[] = ADAPTED.map((linear) =>
    expertShrinkBackwardWeight(
      asHidden(tensors.dRows[linear]),
      tensors.ones,
      owner,
      context.gradient(names.constant(linear))!,
    ),
  );
  return {
    forward: [...gatherAnchors(input), ...look, ...project(input)],
    backward: [...projectBackward(input), ...learn],
    teachesGate: true,
    hidden: { gate_proj: [], up_proj: [], down_proj: [] },
    logits: [],
  };
}
