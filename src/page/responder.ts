/**
 * Who answers a question. The page knows no more than this: the edge answers over HTTP (edge-responder.ts), or the engine
 * in a Worker of this page (on-device/device-responder.ts).
 */
import type { ChatMessage, FinishReason } from '../protocol/chat.ts';
import type { RoutingTrace } from '../protocol/trace.ts';
import type { Usage } from '../protocol/usage.ts';

export interface Question {
  /** A name from `models()`. */
  readonly model: string;
  /** Ends with what the person asked. */
  readonly messages: readonly ChatMessage[];
}

export type ResponderEvent =
  /** What is known of the route so far; a later one replaces the fields it holds. */
  | { readonly kind: 'route'; readonly trace: Partial<RoutingTrace> }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'end'; readonly finish: FinishReason | null; readonly usage: Usage | null };

export interface Responder {
  readonly name: 'edge' | 'device';
  /** Names that `respond` takes, the routed one first. Throws `ResponderError`. */
  models(signal?: AbortSignal): Promise<string[]>;
  /**
   * Ends with exactly one `end`. Throws `ResponderError`; an aborted signal ends it with any error at all. Breaking off
   * the loop frees everything.
   */
  respond(question: Question, signal: AbortSignal): AsyncIterable<ResponderEvent>;
}

/** What the page does about a failure depends on this, not on a message. */
export type FailureKind =
  | 'unreachable'
  | 'interrupted'
  | 'key'
  | 'forbidden'
  | 'model'
  | 'too_long'
  | 'invalid'
  | 'busy'
  | 'unavailable'
  | 'timeout'
  | 'server'
  | 'device'
  | 'device_memory'
  | 'device_download'
  | 'gpu_lost';

export class ResponderError extends Error {
  readonly kind: FailureKind;
  /** From Retry-After. */
  readonly retryAfterSeconds: number | null;
  /** For whoever reads the server's log. */
  readonly requestId: string | null;

  /** `message`: what the server itself said, in its language; empty if it said nothing. */
  constructor(
    kind: FailureKind,
    message: string,
    details: { readonly retryAfterSeconds?: number | null; readonly requestId?: string | null } = {},
  ) {
    super(message);
    this.name = 'ResponderError';
    this.kind = kind;
    this.retryAfterSeconds = details.retryAfterSeconds ?? null;
    this.requestId = details.requestId ?? null;
  }
}
