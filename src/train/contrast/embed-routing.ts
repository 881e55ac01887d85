/**
 * Embeddings of tokens from their gates: the centred logits, which are the centred log-ratios of the distribution. An
 * anchor's owner is its specialty and its weight 1.
 */
import * as ops from '../../tensor/ops.ts';
import type { Embedder, EmbedderInput } from './embedder.ts';

export function embedRouting({ experts, scratch, tensors, own }: EmbedderInput): Embedder {
  const { places, z, dz } = tensors;
  const { centring, rows, dRows } = tensors.gates!;
  return {
    forward: [
      ops.fill(own.weights, 1),
      ops.embedding(places, experts.gate.logits, rows),
      ops.linear(rows, centring, z),
    ],
    backward: [ops.linear(dz, centring, dRows)],
    teachesGate: false,
    hidden: new Map(),
    logits: [ops.embeddingBackward(places, dRows, scratch.logits)],
  };
}
