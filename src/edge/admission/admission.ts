/**
 * Admission without any of the platform: who may use which slot, decided in memory. Time is handed in, so that every rule
 * can be tested without waiting. The Durable Object around it (admission-queue.ts) adds waiting, persistence and alarms.
 */
import type { ShardUse } from '../../protocol/shards.ts';
import { FairQueue, type Waiting } from './fair-queue.ts';
import { HostSlots, type Place } from './host-slots.ts';
import {
  versionKey,
  type ActiveVersions,
  type AdmissionLimits,
  type AdmissionRequest,
  type Grant,
  type HostReport,
  type RefusalReason,
  type Verdict,
} from './types.ts';

/** A granted or refused ticket that nobody fetches is dropped after this long; so is one that nobody asks for. */
export const CLAIM_MS = 5_000;
const MAX_RETRY_AFTER_SECONDS = 60;
/** Weight of the newest request in the average service time, and how many it takes before we trust the average. */
const SERVICE_WEIGHT = 0.1;
const SERVICE_SAMPLES = 5;

export interface Lease {
  readonly id: string;
  readonly host: string;
  readonly grantedAt: number;
  expiresAt: number;
}

interface Entry extends Waiting {
  readonly request: AdmissionRequest;
}

interface Decision {
  readonly verdict: Verdict;
  readonly at: number;
}

export class Admission {
  readonly #limits: AdmissionLimits;
  readonly #startedAt: number;
  readonly #queue = new FairQueue<Entry>();
  readonly #slots: HostSlots;
  readonly #leases = new Map<string, Lease>();
  readonly #decisions = new Map<string, Decision>();
  #active: ActiveVersions | null = null;
  #serviceMs = 0;
  #served = 0;
  leasesExpired = 0;

  constructor(limits: AdmissionLimits, now: number, leases: readonly Lease[] = []) {
    this.#limits = limits;
    this.#startedAt = now;
    this.#slots = new HostSlots(limits.hostTtlMs);
    for (const lease of leases) {
      this.#leases.set(lease.id, lease);
      this.#slots.occupy(lease.host, lease.id, now);
    }
  }

  enqueue(request: AdmissionRequest, ticket: string, now: number): Verdict {
    this.sweep(now);
    const refusal = this.#refusalAtTheDoor(request, now);
    if (refusal) return this.#refuse(refusal, now);
    const deadline = now + request.waitMs;
    const entry = {
      ticket,
      key: request.key,
      request,
      enqueuedAt: now,
      deadline,
      seenAt: now,
      inClassSince: now,
    };
    this.#queue.add(entry, request.priority);
    this.serve(now);
    return this.claim(ticket, now);
  }

  /** What became of a ticket. Once it says granted or refused, the ticket is used up. */
  claim(ticket: string, now: number): Verdict {
    const decision = this.#decisions.get(ticket);
    if (decision) {
      this.#decisions.delete(ticket);
      const { verdict } = decision;
      const isHeld = verdict.kind !== 'granted' || this.renew(verdict.grant.lease, now);
      return isHeld ? verdict : { kind: 'lost' };
    }
    const entry = this.#queue.get(ticket);
    if (!entry) return { kind: 'lost' };
    entry.seenAt = now;
    return { kind: 'queued', ticket, position: this.#queue.size };
  }

  /** When a waiting ticket is refused at the latest; infinite for one that is not waiting. */
  deadlineOf(ticket: string): number {
    return this.#queue.get(ticket)?.deadline ?? Infinity;
  }

  /** The client left: takes the ticket out, or gives its slot back if it was just granted. */
  cancel(ticket: string, now: number): void {
    this.#queue.remove(ticket);
    const decision = this.#decisions.get(ticket);
    this.#decisions.delete(ticket);
    if (decision?.verdict.kind === 'granted') this.release(decision.verdict.grant.lease, now);
  }

  /** False when the lease has run out: its slot may be somebody else's by now. */
  renew(id: string, now: number): boolean {
    const lease = this.#leases.get(id);
    if (lease) lease.expiresAt = now + this.#limits.leaseTtlMs;
    return lease !== undefined;
  }

  /** Idempotent. Returns whether the lease was still there. `served`: its time says how long a request takes. */
  release(id: string, now: number, served = false): boolean {
    const lease = this.#leases.get(id);
    if (!lease) return false;
    this.#leases.delete(id);
    this.#slots.free(lease.host, id, now);
    if (served) this.#learnServiceTime(now - lease.grantedAt);
    this.serve(now);
    return true;
  }

  report(host: HostReport, now: number): void {
    this.#slots.report(host, now);
    this.serve(now);
  }

  hostFailed(name: string, now: number): void {
    this.#slots.coolDown(name, now);
  }

  setActive(active: ActiveVersions, now: number): void {
    if (this.#active && active.revision < this.#active.revision) return;
    this.#active = active;
    this.serve(now);
  }

  /** Drops what has expired: leases, tickets past their deadline, tickets of clients that no longer ask. */
  sweep(now: number): void {
    for (const lease of this.#leases.values()) {
      if (lease.expiresAt > now) continue;
      this.leasesExpired += 1;
      this.release(lease.id, now);
    }
    for (const entry of this.#queue.entries()) {
      if (entry.deadline <= now) this.#decide(entry, this.#refuse('deadline', now), now);
      else if (now - entry.seenAt > CLAIM_MS) this.#queue.remove(entry.ticket);
    }
    for (const [ticket, decision] of this.#decisions) {
      if (now - decision.at >= CLAIM_MS) this.cancel(ticket, now);
    }
    this.#slots.sweep(now);
  }

  /** Grants while anything waiting can be placed. */
  serve(now: number): void {
    this.#queue.promote(now);
    for (;;) {
      const taken = this.#queue.take((entry) => this.#placeFor(entry, now));
      if (!taken) return;
      const { entry, place } = taken;
      this.#decisions.set(entry.ticket, { verdict: this.#grant(entry, place, now), at: now });
    }
  }

  /** Tickets that have a decision nobody has fetched yet. */
  decided(): IterableIterator<string> {
    return this.#decisions.keys();
  }

  leases(): IterableIterator<Lease> {
    return this.#leases.values();
  }

  get waiting(): number {
    return this.#queue.size;
  }

  get running(): number {
    return this.#leases.size;
  }

  get activeVersions(): Readonly<Record<string, string>> {
    return this.#active?.versions ?? {};
  }

  aliveHosts(now: number): readonly HostReport[] {
    return this.#slots.alive(now);
  }

  #refusalAtTheDoor(request: AdmissionRequest, now: number): RefusalReason | null {
    const settled = now - this.#startedAt > this.#limits.hostTtlMs;
    if (this.#slots.possible(request.exclude, now) === 0) {
      if (request.exclude.length > 0) return 'no_host_left';
      if (settled) return 'no_hosts';
    }
    if (this.#active && !this.#versionsOf(request)) return 'not_active';
    if (this.#queue.size >= this.#limits.queueLength) return 'queue_full';
    if (this.#queue.sizeOf(request.key) >= this.#limits.queuePerKey) return 'key_queue_full';
    if (this.#served >= SERVICE_SAMPLES && this.#expectedWaitMs(now) > request.waitMs) return 'too_slow';
    return null;
  }

  #placeFor(entry: Entry, now: number): { place: Place; shards: ShardUse[] } | null {
    const shards = this.#versionsOf(entry.request);
    if (!shards) return null;
    const versions = shards.map((shard) => versionKey(shard.name, shard.version));
    const place = this.#slots.place(versions, entry.request.exclude, now);
    return place && { place, shards };
  }

  /** Null while the active versions are unknown, or where a specialty has none. */
  #versionsOf(request: AdmissionRequest): ShardUse[] | null {
    if (request.specialties.length === 0) return [];
    const shards: ShardUse[] = [];
    for (const { specialty, prior } of request.specialties) {
      const version = this.#active?.versions[specialty];
      if (version === undefined) return null;
      shards.push({ name: specialty, version, prior });
    }
    return shards;
  }

  #grant(entry: Entry, { place, shards }: { place: Place; shards: ShardUse[] }, now: number): Verdict {
    const lease: Lease = {
      id: crypto.randomUUID(),
      host: place.name,
      grantedAt: now,
      expiresAt: now + CLAIM_MS,
    };
    this.#leases.set(lease.id, lease);
    this.#slots.occupy(place.name, lease.id, now);
    const grant: Grant = {
      lease: lease.id,
      host: place.name,
      url: place.url,
      report: place.report,
      shards,
      queueMs: now - entry.enqueuedAt,
    };
    return { kind: 'granted', grant };
  }

  #decide(entry: Entry, verdict: Verdict, now: number): void {
    this.#queue.remove(entry.ticket);
    this.#decisions.set(entry.ticket, { verdict, at: now });
  }

  #refuse(reason: RefusalReason, now: number): Verdict {
    const seconds = Math.ceil(this.#expectedWaitMs(now) / 1000);
    return {
      kind: 'refused',
      reason,
      retryAfterSeconds: Math.min(MAX_RETRY_AFTER_SECONDS, Math.max(1, seconds)),
    };
  }

  /** How long a request that came now would wait if every slot were busy. Zero when one is free. */
  #expectedWaitMs(now: number): number {
    const capacity = Math.max(1, this.#slots.capacity(now));
    if (this.#queue.size === 0 && this.#leases.size < capacity) return 0;
    return ((this.#queue.size + 1) / capacity) * this.#serviceMs;
  }

  #learnServiceTime(ms: number): void {
    this.#served += 1;
    const weight = this.#served === 1 ? 1 : SERVICE_WEIGHT;
    this.#serviceMs += weight * (ms - this.#serviceMs);
  }
}
