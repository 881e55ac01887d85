/** Flattens scheduled chunks into the arrays that a model runner takes, and remembers which results are whose. */
import type { Route, StepBatch, TokenDraw } from '../model/runner.ts';
import { hasPenalties } from './sampler.ts';
import type { ScheduledChunk } from './scheduler.ts';
import type { Sequence } from './sequence.ts';

/** Where the results of a chunk lie. */
export interface ChunkResults {
  readonly chunk: ScheduledChunk;
  /** Of the logits, the row of its first position with logits. */
  readonly logitRow: number;
  /** Prompt positions from `chunk.logitsFrom` on whose next token is scored. */
  readonly scored: number;
  /** Among the draws; undefined where no token follows. */
  readonly draw: number | undefined;
}

export interface BuiltBatch {
  readonly batch: StepBatch;
  readonly results: readonly ChunkResults[];
}

const nothingSeen = new Uint32Array(0);

/**
 * Takes one random number of every sequence whose next token is drawn. `carried`: the chunks are the tokens that the step
 * under way draws, one each.
 */
export function buildBatch(chunks: readonly ScheduledChunk[], carried = false): BuiltBatch {
  const size = chunks.reduce((sum, chunk) => sum + chunk.count, 0);
  const pages = chunks.reduce((most, chunk) => Math.max(most, chunk.sequence.pages.length), 1);
  // A width that seldom changes: steps of the same shape are cheaper than new ones.
  const maxPages = 2 ** Math.ceil(Math.log2(pages));
  const tokens = new Uint32Array(size);
  const positions = new Uint32Array(size);
  const sequences = new Uint32Array(size);
  const routeOfToken = new Uint32Array(size);
  const pageTable = new Uint32Array(chunks.length * maxPages);
  const logitRows: number[] = [];
  const draws: TokenDraw[] = [];
  const results: ChunkResults[] = [];
  const routes: Route[] = [];
  const routeIndexes = new Map<string, number>();
  let at = 0;
  for (const [row, chunk] of chunks.entries()) {
    const { sequence, start, count, logitsFrom } = chunk;
    let route = routeIndexes.get(sequence.routeKey);
    if (route === undefined) {
      route = routes.push(sequence.request.route) - 1;
      routeIndexes.set(sequence.routeKey, route);
    }
    tokens.set(sequence.tokens.subarray(start, start + count), at);
    sequences.fill(row, at, at + count);
    routeOfToken.fill(route, at, at + count);
    pageTable.set(sequence.pages, row * maxPages);
    for (let offset = 0; offset < count; offset++) positions[at + offset] = start + offset;
    const scored = scoredPositions(chunk);
    const logitRow = logitRows.length;
    for (let offset = 0; offset < scored; offset++) logitRows.push(at + logitsFrom - start + offset);
    at += count;
    const drawn = drawsToken(chunk);
    if (drawn && needsLogits(sequence)) logitRows.push(at - 1);
    results.push({ chunk, logitRow, scored, draw: drawn ? draws.length : undefined });
    if (drawn) draws.push(drawOf(sequence, at - 1));
  }
  const batch = {
    tokens,
    positions,
    sequences,
    pageTable,
    maxPages,
    routeOfToken,
    routes,
    logitRows: Uint32Array.from(logitRows),
    draws,
    carried,
  };
  return { batch, results };
}

/** Whether the alternatives to its tokens are asked for, which only the logits tell. */
export function needsLogits({ request }: Sequence): boolean {
  return (request.logprobs ?? 0) > 0;
}

/** The last known token is in the chunk, and there is room for one more. */
function drawsToken({ sequence, start, count }: ScheduledChunk): boolean {
  return start + count >= sequence.length && sequence.length < sequence.maxLength;
}

/** The prompt's last token predicts the answer, which is not the prompt's to score. */
function scoredPositions({ sequence, start, count, logitsFrom }: ScheduledChunk): number {
  if (!sequence.scoresPrompt) return 0;
  return Math.max(0, Math.min(start + count, sequence.promptLength - 1) - logitsFrom);
}

function drawOf(sequence: Sequence, after: number): TokenDraw {
  const { sampling } = sequence.request;
  return {
    after,
    sampling,
    // Drawn even where truncation leaves one token: the stream of numbers then has one per token, always.
    uniform: sampling.temperature === 0 ? 0 : sequence.random.uniform(),
    seen: hasPenalties(sampling) ? sequence.seen.pairs : nothingSeen,
  };
}
