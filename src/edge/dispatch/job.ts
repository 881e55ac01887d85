/** One request on its way to a host, and what the platform lends it. */
import type { Priority, SpecialtyPrior } from '../admission/types.ts';
import type { Bindings } from '../bindings.ts';

export interface Job {
  readonly path: '/v1/chat/completions' | '/v1/completions';
  /** As the client sent it; passed on with the shards added. */
  readonly body: Readonly<Record<string, unknown>>;
  readonly stream: boolean;
  readonly requestId: string;
  readonly key: string;
  readonly priority: Priority;
  readonly arrivedAt: number;
  /** Until when the request is willing to stand in the queue. */
  readonly queueDeadline: number;
  readonly wanted: readonly SpecialtyPrior[];
}

export interface JobContext {
  readonly env: Bindings;
  /** Fires when the client is gone. */
  readonly signal: AbortSignal;
  /** Keeps the Worker alive for work that the answer does not wait for. */
  readonly waitUntil: (work: Promise<unknown>) => void;
}
