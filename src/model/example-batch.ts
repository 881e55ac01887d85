/**
 * A batch that needs every kernel of a step but those of experts: one token, the last of a sequence of `length` (a long one
 * is split among workgroups), its logits, and one drawn after it.
 */
import type { StepBatch } from './runner.ts';

const one = Uint32Array.of(0);

export function exampleBatch(length: number): StepBatch {
  return {
    tokens: one,
    positions: Uint32Array.of(length - 1),
    sequences: one,
    pageTable: one,
    maxPages: 1,
    routeOfToken: one,
    routes: [{ shards: [] }],
    logitRows: one,
    carried: false,
    draws: [
      {
        after: 0,
        uniform: 0,
        seen: new Uint32Array(0),
        sampling: {
          temperature: 0,
          topP: 1,
          topK: 0,
          minP: 0,
          repetitionPenalty: 1,
          presencePenalty: 0,
          frequencyPenalty: 0,
        },
      },
    ],
  };
}
