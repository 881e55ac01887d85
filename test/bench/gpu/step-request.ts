/** Steps that the bench asks for, in a few words, and what the model of time must know of them. */
import type { ModelConfig } from '../../../src/model/config.ts';
import { SHARD } from './random-model.ts';
import { expectedExperts, type Formats, type StepShape } from './step-model.ts';
import { attentionTouched } from './work.ts';

export const PAGE_SIZE = 16;

/** Which shards the sequences of a step ask for: none, all the same one, or each its own. */
export type Asking = 'base' | 'same' | 'different';

export interface StepRequest {
  readonly sequences: number;
  /** New tokens of each sequence. */
  readonly tokens: number;
  /** Positions of each sequence, the new ones included. */
  readonly context: number;
  readonly asking: Asking;
}

/** As in a forward batch; a token is chosen after the last one of each sequence. */
export function placesOf({ sequences, tokens, context }: StepRequest) {
  const token = Array.from({ length: sequences * tokens }, (_, index) => index);
  return {
    positions: Uint32Array.from(token, (index) => context - tokens + (index % tokens)),
    sequences: Uint32Array.from(token, (index) => Math.floor(index / tokens)),
    last: Uint32Array.from({ length: sequences }, (_, sequence) => (sequence + 1) * tokens - 1),
  };
}

/** The step as the model of time sees it, with so many resident shards. Choices among a shard's experts count as even. */
export function shapeOf(
  config: ModelConfig,
  formats: Formats,
  request: StepRequest,
  resident: number,
): StepShape {
  const { positions, sequences, last } = placesOf(request);
  const routes = request.asking === 'different' ? request.sequences : 1;
  const shape = { config, formats, tokens: positions.length, draws: last.length, routes };
  const attention = attentionTouched(positions, sequences, config);
  const { experts: each, topK, rank } = SHARD;
  if (request.asking === 'base') {
    return { ...shape, maxExperts: 1, topK: 0, rank, touched: { ...attention, experts: 0, candidates: 0 } };
  }
  const shards = Math.min(routes, resident);
  const experts = shards * expectedExperts(each, positions.length / shards, topK);
  const touched = { ...attention, experts, candidates: shards * each };
  return { ...shape, maxExperts: each, topK, rank, touched };
}
