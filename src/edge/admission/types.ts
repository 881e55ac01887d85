/** What the Worker and the admission queue say to each other. Holds ids, names and numbers, never a prompt. */
import type { ShardUse } from '../../protocol/shards.ts';

/** Strict between classes, but one that waits long moves up: see AGE_MS in fair-queue.ts. */
export const PRIORITIES = ['high', 'normal', 'batch'] as const;
export type Priority = (typeof PRIORITIES)[number];

/** A specialty that a request wants; which version that is, is decided when a slot is granted. */
export interface SpecialtyPrior {
  readonly specialty: string;
  readonly prior: number;
}

/** A host that a request has failed on. With `untilReport`, it may be tried again after its next announcement. */
export interface Exclusion {
  readonly host: string;
  readonly untilReport: number | null;
}

export interface AdmissionRequest {
  /** Fairness is between these; a hash of the API key, not the key. */
  readonly key: string;
  readonly priority: Priority;
  readonly waitMs: number;
  readonly specialties: readonly SpecialtyPrior[];
  readonly exclude: readonly Exclusion[];
}

/** A slot on one host, with the exact shards to name there. */
export interface Grant {
  readonly lease: string;
  readonly host: string;
  readonly url: string;
  /** Number of the host's report that this grant relied on. */
  readonly report: number;
  readonly shards: readonly ShardUse[];
  readonly queueMs: number;
}

export type RefusalReason =
  | 'queue_full'
  | 'key_queue_full'
  | 'no_hosts'
  | 'no_host_left'
  | 'not_active'
  | 'too_slow'
  | 'deadline';

export type Verdict =
  | { readonly kind: 'granted'; readonly grant: Grant }
  | { readonly kind: 'queued'; readonly ticket: string; readonly position: number }
  | { readonly kind: 'refused'; readonly reason: RefusalReason; readonly retryAfterSeconds: number }
  /** The queue does not know the ticket: it restarted, or nobody asked for too long. Enqueue again. */
  | { readonly kind: 'lost' };

/** How a request ended; fills the metrics. */
export interface Outcome {
  readonly result: 'stop' | 'length' | 'abort' | 'error' | 'retry';
  readonly firstTokenMs: number | null;
  readonly totalMs: number;
  readonly promptTokens: number;
  readonly completionTokens: number;
}

/** A host as it announced itself, as far as admission cares. `resident` in the form of `versionKey`. */
export interface HostReport {
  readonly name: string;
  readonly url: string;
  readonly capacity: number;
  readonly running: number;
  readonly waiting: number;
  readonly resident: readonly string[];
  readonly leaseIds: readonly string[] | null;
  readonly draining: boolean;
}

/** Which version new requests use, by specialty. A lower revision never replaces a higher one. */
export interface ActiveVersions {
  readonly revision: number;
  readonly versions: Readonly<Record<string, string>>;
}

export interface AdmissionLimits {
  readonly queueLength: number;
  readonly queuePerKey: number;
  readonly leaseTtlMs: number;
  readonly hostTtlMs: number;
}

export function versionKey(specialty: string, version: string): string {
  return `${specialty}@${version}`;
}
