/**
 * A tiny but real model: its KV cache holds one number per token, written and read through the page table only, and a
 * token's logits depend on every number before it, in order. So a wrong page, position, row or route changes the output,
 * as it would in a transformer. `expectedLogits` computes the same without pages or batches.
 */
import type { ForwardBatch, ModelRunner, Route } from '../../src/model/runner.ts';

export interface HashRunnerOptions {
  readonly vocabularySize?: number;
  readonly maxPositions?: number;
  readonly pageSize?: number;
  readonly pages?: number;
  readonly maxBatchTokens?: number;
  /** Awaited before each forward pass: lets a test hold the model still or make it fail. */
  readonly before?: (batch: ForwardBatch) => Promise<void> | void;
}

export class HashRunner implements ModelRunner {
  readonly vocabularySize: number;
  readonly maxPositions: number;
  readonly pageSize: number;
  readonly pages: number;
  readonly maxBatchTokens: number;
  readonly batches: ForwardBatch[] = [];
  readonly #cache: Uint32Array;
  readonly #before: (batch: ForwardBatch) => Promise<void> | void;
  #busy = false;

  constructor(options: HashRunnerOptions = {}) {
    this.vocabularySize = options.vocabularySize ?? 61;
    this.maxPositions = options.maxPositions ?? 256;
    this.pageSize = options.pageSize ?? 4;
    this.pages = options.pages ?? 256;
    this.maxBatchTokens = options.maxBatchTokens ?? 64;
    this.#before = options.before ?? (() => {});
    this.#cache = new Uint32Array(this.pages * this.pageSize).fill(0xdeadbeef);
  }

  async forward(batch: ForwardBatch): Promise<Float32Array> {
    if (this.#busy) throw new Error('forward calls overlap');
    this.#busy = true;
    try {
      await this.#before(batch);
      return this.#compute(batch);
    } finally {
      this.#busy = false;
    }
  }

  #compute(batch: ForwardBatch): Float32Array {
    if (batch.tokens.length > this.maxBatchTokens) throw new Error('batch too large');
    this.batches.push(batch);
    for (let t = 0; t < batch.tokens.length; t++) {
      const route = batch.routes[batch.routeOfToken[t]!]!;
      this.#cache[this.#slot(batch, t, batch.positions[t]!)] = entry(
        batch.tokens[t]!,
        batch.positions[t]!,
        route,
      );
    }
    const logits = new Float32Array(batch.logitRows.length * this.vocabularySize);
    for (const [row, t] of batch.logitRows.entries()) {
      let hash = 0x811c9dc5;
      for (let position = 0; position <= batch.positions[t]!; position++) {
        hash = fold(hash, this.#cache[this.#slot(batch, t, position)]!);
      }
      logits.set(rowFor(hash, this.vocabularySize), row * this.vocabularySize);
    }
    return logits;
  }

  #slot(batch: ForwardBatch, t: number, position: number): number {
    const index = Math.floor(position / this.pageSize);
    if (index >= batch.maxPages) throw new Error('position beyond the page table');
    const page = batch.pageTable[batch.sequences[t]! * batch.maxPages + index]!;
    if (page >= this.pages) throw new Error('no such page');
    return page * this.pageSize + (position % this.pageSize);
  }
}

/** Logits after the last of `tokens`. */
export function expectedLogits(
  tokens: ArrayLike<number>,
  route: Route,
  vocabularySize: number,
): Float32Array {
  let hash = 0x811c9dc5;
  for (let position = 0; position < tokens.length; position++) {
    hash = fold(hash, entry(tokens[position]!, position, route));
  }
  return rowFor(hash, vocabularySize);
}

export function expectedGreedy(
  prompt: ArrayLike<number>,
  count: number,
  route: Route,
  vocabularySize: number,
): number[] {
  const tokens = Array.from(prompt);
  for (let step = 0; step < count; step++) {
    const logits = expectedLogits(tokens, route, vocabularySize);
    tokens.push(logits.indexOf(Math.max(...logits)));
  }
  return tokens.slice(prompt.length);
}

function entry(token: number, position: number, route: Route): number {
  let hash = fold(fold(0x9747b28c, token), position);
  for (const { shard, prior } of route.shards) {
    for (const char of `${shard.specialty}@${shard.version}:${prior}`)
      hash = fold(hash, char.codePointAt(0)!);
  }
  return hash;
}

function fold(hash: number, value: number): number {
  let mixed = Math.imul(hash ^ value, 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

function rowFor(hash: number, vocabularySize: number): Float32Array {
  return Float32Array.from({ length: vocabularySize }, (_, v) => (fold(hash, v) / 2 ** 32) * 8 - 4);
}
