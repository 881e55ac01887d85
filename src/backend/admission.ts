/** Who is being served: counts requests, knows their leases, and lets the host drain before it stops. */
import { CallerError } from '../base/errors.ts';

export interface Visit {
  /** Aborted when the client leaves or the host gives up draining. */
  readonly signal: AbortSignal;
  /** The client left, as its stream tells. */
  leave(): void;
  /** The answer is complete, or failed. May be called more than once. */
  end(): void;
}

export class Admission {
  readonly #visits = new Map<symbol, string | undefined>();
  readonly #kill = new AbortController();
  #draining = false;
  #onIdle: (() => void) | undefined;

  get active(): number {
    return this.#visits.size;
  }

  get draining(): boolean {
    return this.#draining;
  }

  get leaseIds(): string[] {
    return [...this.#visits.values()].filter((lease) => lease !== undefined);
  }

  /** Throws `CallerError('shutting_down')` once the host drains. */
  begin(clientSignal: AbortSignal, leaseId: string | undefined): Visit {
    if (this.#draining) {
      throw new CallerError('shutting_down', 'This server is shutting down: try again in a moment.');
    }
    const key = Symbol('visit');
    const left = new AbortController();
    this.#visits.set(key, leaseId);
    return {
      signal: AbortSignal.any([clientSignal, left.signal, this.#kill.signal]),
      leave: () => left.abort(),
      end: () => {
        this.#visits.delete(key);
        if (this.#visits.size === 0) this.#onIdle?.();
      },
    };
  }

  /**
   * Takes no more requests; resolves when the last has ended. After `timeoutMs` the rest is cancelled, and what does not
   * even end then, because its client has stopped reading, is left to the closing of its socket.
   */
  async drain(timeoutMs: number): Promise<void> {
    this.#draining = true;
    if (this.#visits.size === 0) return;
    const idle = new Promise<boolean>((resolve) => (this.#onIdle = () => resolve(true)));
    const ended = await Promise.race([idle, later(timeoutMs)]);
    if (ended) return;
    this.#kill.abort();
    await Promise.race([idle, later(cancelMs)]);
  }
}

/** Long enough for a cancelled answer to say so. */
const cancelMs = 1000;

function later(milliseconds: number): Promise<boolean> {
  return new Promise((resolve) => {
    setTimeout(() => resolve(false), milliseconds).unref();
  });
}
