/**
 * Decides what the next forward pass computes (continuous batching). Every decoding sequence gets its one token; what is
 * left of the token budget goes to prompts, in chunks, oldest first. A sequence is admitted only when all pages of its
 * known tokens are free, so prefill never stalls on memory. When a decode finds no page, the sequence admitted last gives
 * up its pages and recomputes later (same tokens, since nothing of it depends on the batch). The oldest is never
 * displaced, so the engine always makes progress.
 */
import { invariant } from '../base/invariant.ts';
import { PageAllocator } from './page-allocator.ts';
import type { Sequence } from './sequence.ts';

export interface SchedulerLimits {
  readonly pageSize: number;
  readonly maxBatchTokens: number;
  /** Sequences that hold pages at one time. */
  readonly maxSequences: number;
  /** Prompt tokens per step, so that a long prompt does not hold up those that decode. */
  readonly prefillTokens: number;
  /** Rows of logits per step: bounds the memory that scoring a prompt takes. At least `maxSequences`. */
  readonly maxLogitRows: number;
}

/** Tokens [start, start + count) of a sequence; logits are wanted of those from `logitsFrom` on. */
export interface ScheduledChunk {
  readonly sequence: Sequence;
  readonly start: number;
  readonly count: number;
  readonly logitsFrom: number;
}

export class Scheduler {
  readonly allocator: PageAllocator;
  readonly waiting: Sequence[] = [];
  /** In order of admission. */
  readonly running: Sequence[] = [];
  preemptions = 0;
  readonly #limits: SchedulerLimits;

  constructor(pages: number, limits: SchedulerLimits) {
    invariant(limits.maxLogitRows >= limits.maxSequences, 'every sequence needs a row of logits');
    this.allocator = new PageAllocator(pages);
    this.#limits = limits;
  }

  add(sequence: Sequence): void {
    this.waiting.push(sequence);
  }

  /** Frees the pages of a running sequence, or takes a waiting one out of the queue. */
  remove(sequence: Sequence): void {
    for (const queue of [this.waiting, this.running]) {
      const index = queue.indexOf(sequence);
      if (index >= 0) queue.splice(index, 1);
    }
    this.#releasePages(sequence);
  }

  /** Whether the one that waits longest would get its pages now. */
  get admits(): boolean {
    const [first] = this.waiting;
    if (!first || this.running.length >= this.#limits.maxSequences) return false;
    // A little is left free, or the newcomer's admission would at once displace somebody.
    const headroom = Math.min(this.running.length, this.allocator.pages >>> 4);
    return this.allocator.free >= this.#pagesFor(first.length) + headroom;
  }

  /** Pages for so many tokens of a running sequence, if they are free: nobody is displaced for them. */
  reserve(sequence: Sequence, tokens: number): boolean {
    const pages = this.allocator.allocate(Math.max(0, this.#pagesFor(tokens) - sequence.pages.length));
    sequence.pages.push(...(pages ?? []));
    return pages !== undefined;
  }

  /** The chunks of the next step; empty only when nothing is left to do. */
  schedule(): ScheduledChunk[] {
    this.#makeRoomForDecodes();
    this.#admit();
    const budget = {
      tokens: this.#limits.maxBatchTokens,
      prefill: this.#limits.prefillTokens,
      rows: this.#limits.maxLogitRows,
    };
    const chunks: ScheduledChunk[] = [];
    for (const sequence of this.running) {
      if (sequence.pending > 1 || budget.tokens === 0) continue;
      // One row each is always there: maxLogitRows >= maxSequences, and scoring comes after the decodes.
      chunks.push({ sequence, start: sequence.computed, count: 1, logitsFrom: sequence.computed });
      budget.tokens -= 1;
      budget.rows -= 1;
    }
    for (const sequence of this.running) {
      if (sequence.pending <= 1) continue;
      const chunk = prefillChunk(sequence, Math.min(budget.tokens, budget.prefill), budget.rows);
      if (chunk.count === 0) continue;
      chunks.push(chunk);
      budget.tokens -= chunk.count;
      budget.prefill -= chunk.count;
      budget.rows -= chunk.start + chunk.count - chunk.logitsFrom;
    }
    return chunks;
  }

  #makeRoomForDecodes(): void {
    for (let index = 0; index < this.running.length; index++) {
      const sequence = this.running[index]!;
      while (sequence.pages.length < this.#pagesFor(sequence.length)) {
        const page = this.allocator.allocate(1);
        if (page) {
          sequence.pages.push(...page);
          continue;
        }
        const last = this.running.pop();
        invariant(last, 'a running sequence exists');
        this.#preempt(last);
        if (last === sequence) break;
      }
    }
  }

  #preempt(sequence: Sequence): void {
    this.#releasePages(sequence);
    sequence.computed = 0;
    this.waiting.unshift(sequence);
    this.preemptions += 1;
  }

  #admit(): void {
    while (this.admits) {
      const sequence = this.waiting.shift();
      const pages = sequence && this.allocator.allocate(this.#pagesFor(sequence.length));
      invariant(pages, 'what is admitted gets its pages');
      sequence.pages = pages;
      this.running.push(sequence);
    }
    const stuck = this.running.length === 0 && this.waiting.length > 0;
    invariant(!stuck, 'a sequence that fits the cache is admitted when nothing runs');
  }

  #pagesFor(tokens: number): number {
    return Math.ceil(tokens / this.#limits.pageSize);
  }

  #releasePages(sequence: Sequence): void {
    for (const page of sequence.pages) this.allocator.release(page);
    sequence.pages = [];
  }
}

/** As much of a prompt as fits the budgets. Without scoring, only the very last token needs logits. */
function prefillChunk(sequence: Sequence, tokens: number, rows: number): ScheduledChunk {
  const start = sequence.computed;
  const wanted = Math.min(sequence.pending, tokens);
  const end = sequence.length;
  const firstScored = sequence.scoresPrompt ? Math.max(start, sequence.promptLogprobs.length - 1) : end - 1;
  // Rows run from firstScored to the chunk's end; none where the chunk ends before.
  const count = Math.max(0, Math.min(wanted, firstScored + rows - start));
  return { sequence, start, count, logitsFrom: Math.min(Math.max(firstScored, start), start + count) };
}
