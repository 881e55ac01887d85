/** The control: embeddings from a learned vector of each expert, the same for every token. */
import type { Dispatch, Tensor } from '../../tensor/device.ts';
import { expertShrink, expertShrinkBackwardWeight } from '../../tensor/expert-ops.ts';
import { elements } from '../../tensor/tensors.ts';
import { project, projectBackward } from './embed-hidden.ts';
import { column, gatherAnchors, viewAs } from './embedder.ts';
import type { Embedder, EmbedderInput } from './embedder.ts';
import { contrastNames } from './parameters.ts';

/** A vector of an expert is A x with x = 1. */
export function embedConstants(input: EmbedderInput): Embedder {
  const { context, experts, tensors, own } = input;
  const { layer, linears } = experts.mixture;
  const names = contrastNames(layer);
  const owner = column(own.owner);
  const asHidden = (rows: Tensor): Tensor => viewAs(rows, [elements(owner.shape), 1, rows.shape[1]!]);
  const look: Dispatch[] = linears.map((linear) =>
    expertShrink(
      tensors.ones,
      context.weight(names.constant(linear)),
      owner,
      asHidden(tensors.rows.get(linear)!),
    ),
  );
  const learn: Dispatch[] = linears.map((linear) =>
    expertShrinkBackwardWeight(
      asHidden(tensors.dRows.get(linear)!),
      tensors.ones,
      owner,
      context.gradient(names.constant(linear))!,
    ),
  );
  return {
    forward: [...gatherAnchors(input), ...look, ...project(input)],
    backward: [...projectBackward(input), ...learn],
    teachesGate: true,
    hidden: new Map(),
    logits: [],
  };
}
