/**
 * Hands one sequence's events from the engine's loop to its reader. Bounded by the sequence's own token limit, so it
 * needs no back pressure: the engine never waits for a slow reader.
 */

export class EventQueue<Event> implements AsyncIterableIterator<Event, undefined> {
  readonly #events: Event[] = [];
  readonly #onAbandon: () => void;
  #wake: (() => void) | undefined;
  #closed = false;
  #failure: unknown;

  /** `onAbandon` runs when the reader leaves before the end. */
  constructor(onAbandon: () => void) {
    this.#onAbandon = onAbandon;
  }

  push(event: Event): void {
    if (this.#closed) return;
    this.#events.push(event);
    this.#wake?.();
  }

  /** Ends the stream after what was pushed; `failure` is thrown to the reader there. */
  close(failure?: unknown): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#failure = failure;
    this.#wake?.();
  }

  async next(): Promise<IteratorResult<Event, undefined>> {
    while (this.#events.length === 0 && !this.#closed) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    const event = this.#events.shift();
    if (event !== undefined) return { done: false, value: event };
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure;
    return { done: true, value: undefined };
  }

  return(): Promise<IteratorResult<Event, undefined>> {
    if (!this.#closed) this.#onAbandon();
    this.#events.length = 0;
    this.#failure = undefined;
    this.close();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
