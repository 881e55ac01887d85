/** Notices a run that has gone wrong, so that it ends before its last good state is written over. */
import { InternalError } from '../base/errors.ts';

/** Losses whose median a new one is held against. */
export const GUARD_WINDOW = 50;
/** Fewer say little about what is usual. */
const FEWEST = 10;
/** A loss has exploded when it is this many times the median, and a nat above it: near 0, ratios mean nothing. */
const FACTOR = 3;
const MARGIN = 1;

export class LossGuard {
  readonly #window: number[];

  /** `losses`: of the steps before, in order; the last of them are used. */
  constructor(losses: readonly number[]) {
    this.#window = losses.slice(-GUARD_WINDOW);
  }

  /** Throws `InternalError('loss_not_finite' | 'loss_exploded')`. `loss` is in nats, of `tokens` tokens, at `step`. */
  check(step: number, loss: number, tokens: number): void {
    if (!Number.isFinite(loss))
      throw new InternalError('loss_not_finite', `The loss of step ${step} is ${loss}`);
    const usual = this.#window.length < FEWEST ? Infinity : median(this.#window);
    if (loss > FACTOR * usual && loss > usual + MARGIN) {
      const facts = `${loss.toFixed(2)} nats after a median of ${usual.toFixed(2)}`;
      throw new InternalError('loss_exploded', `The loss of step ${step} is ${facts}`);
    }
    // A batch without targets has loss 0 and says nothing.
    if (tokens > 0) this.#window.push(loss);
    if (this.#window.length > GUARD_WINDOW) this.#window.shift();
  }
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
