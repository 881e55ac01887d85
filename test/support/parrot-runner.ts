/**
 * A model whose answers a test can foretell: it says what the last user said, byte by byte, then ends its turn. After a
 * prompt without turns it counts on from the last byte. Like HashRunner it knows the past only through its paged cache,
 * and each shard of the route puts its version in front of the answer.
 */
import type { ForwardBatch, ModelRunner, Route } from '../../src/model/runner.ts';
import { byteVocabulary, turnEnd, turnStart } from './byte-tokenizer.ts';

export interface ParrotOptions {
  readonly maxPositions?: number;
  readonly pages?: number;
  /** Awaited before each forward pass. */
  readonly before?: (batch: ForwardBatch) => Promise<void> | void;
}

export class ParrotRunner implements ModelRunner {
  readonly vocabularySize = byteVocabulary;
  readonly maxPositions: number;
  readonly pageSize = 8;
  readonly pages: number;
  readonly maxBatchTokens = 64;
  readonly batches: ForwardBatch[] = [];
  readonly #cache: Uint32Array;
  readonly #before: (batch: ForwardBatch) => Promise<void> | void;

  constructor(options: ParrotOptions = {}) {
    this.maxPositions = options.maxPositions ?? 2048;
    this.pages = options.pages ?? 512;
    this.#before = options.before ?? (() => {});
    this.#cache = new Uint32Array(this.pages * this.pageSize);
  }

  async forward(batch: ForwardBatch): Promise<Float32Array> {
    await this.#before(batch);
    this.batches.push(batch);
    for (const [t, token] of batch.tokens.entries()) {
      this.#cache[this.#slot(batch, t, batch.positions[t]!)] = token;
    }
    const logits = new Float32Array(batch.logitRows.length * this.vocabularySize);
    for (const [row, t] of batch.logitRows.entries()) {
      const past = Array.from(
        { length: batch.positions[t]! + 1 },
        (_, position) => this.#cache[this.#slot(batch, t, position)]!,
      );
      const next = nextToken(past, batch.routes[batch.routeOfToken[t]!]!);
      logits[row * this.vocabularySize + next] = 40;
    }
    return logits;
  }

  #slot(batch: ForwardBatch, t: number, position: number): number {
    const row = batch.sequences[t]! * batch.maxPages;
    return (
      batch.pageTable[row + Math.floor(position / this.pageSize)]! * this.pageSize +
      (position % this.pageSize)
    );
  }
}

function nextToken(past: number[], route: Route): number {
  const answerTurn = past.lastIndexOf(turnStart);
  if (answerTurn < 0) return (past[past.length - 1]! + 1) % 256;
  const said = past.slice(past.indexOf(10, answerTurn) + 1);
  const userTurn = past.lastIndexOf(turnStart, answerTurn - 1);
  const user = past.slice(past.indexOf(10, userTurn) + 1, past.indexOf(turnEnd, userTurn));
  const versions = route.shards.map(({ shard }) => `[${shard.version}]`).join('');
  const answer = [...new TextEncoder().encode(versions), ...user];
  return answer[said.length] ?? turnEnd;
}
