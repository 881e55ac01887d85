/**
 * The dispatches of steps that were made before, by what they depend on. A step of decoding is the one before it with other
 * numbers in the same buffers: it makes no dispatch anew, and a device that knows them has nothing to look at again.
 */
import type { Dispatch } from '../tensor/device.ts';

/** Batches differ in tokens, routes and lengths; more kinds than these at a time are rare. The oldest goes. */
const MAX_PLANS = 32;

export class StepPlans {
  readonly #plans = new Map<string, readonly Dispatch[]>();

  /** `key` must tell apart all that `make` depends on. */
  get(key: string, make: () => readonly Dispatch[]): readonly Dispatch[] {
    const known = this.#plans.get(key) ?? make();
    // Moved to the end: the first is the one that was used longest ago.
    this.#plans.delete(key);
    this.#plans.set(key, known);
    if (this.#plans.size > MAX_PLANS) this.#plans.delete(this.#plans.keys().next().value!);
    return known;
  }
}
