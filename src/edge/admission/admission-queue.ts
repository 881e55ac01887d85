/**
 * The Durable Object around Admission: one per host group. It adds waiting (a call that ends when the ticket is decided),
 * persistence and alarms. Decisions are made in memory; leases reach SQLite in batches, because a write per request
 * halves the throughput, and what a crash loses is covered by the hosts' own reports. Prompts never come here.
 */
import { DurableObject } from 'cloudflare:workers';
import { settingsOf, type Bindings } from '../bindings.ts';
import { Admission, type Lease } from './admission.ts';
import { EdgeMetrics } from './metrics.ts';
import type { ActiveVersions, AdmissionRequest, HostReport, Outcome, Verdict } from './types.ts';

/** Longest that one `wait` call stays open. */
const MAX_POLL_MS = 2_000;
const PERSIST_AFTER_MS = 500;

export class AdmissionQueue extends DurableObject<Bindings> {
  readonly #admission: Admission;
  readonly #metrics = new EdgeMetrics();
  readonly #waiters = new Map<string, () => void>();
  readonly #persisted = new Set<string>();
  #persistDue = false;
  #alarmAt = 0;

  constructor(ctx: DurableObjectState, env: Bindings) {
    super(ctx, env);
    const settings = settingsOf(env);
    const limits = {
      queueLength: settings.QUEUE_LENGTH,
      queuePerKey: settings.QUEUE_PER_KEY,
      leaseTtlMs: settings.LEASE_TTL_MS,
      hostTtlMs: settings.HOST_TTL_MS,
    };
    this.#admission = new Admission(limits, Date.now(), this.#loadLeases(settings.LEASE_TTL_MS));
  }

  enqueue(request: AdmissionRequest): Verdict {
    return this.#after(this.#count(this.#admission.enqueue(request, crypto.randomUUID(), Date.now())));
  }

  /** Ends when the ticket is decided, or after `ms` with its place in the queue. */
  async wait(ticket: string, ms: number): Promise<Verdict> {
    const now = Date.now();
    this.#admission.sweep(now);
    const first = this.#after(this.#admission.claim(ticket, now));
    if (first.kind !== 'queued') return this.#count(first);
    await new Promise<void>((resolve) => {
      const untilDeadline = this.#admission.deadlineOf(ticket) - now;
      const timer = setTimeout(resolve, Math.min(ms, MAX_POLL_MS, untilDeadline));
      this.#waiters.set(ticket, () => {
        clearTimeout(timer);
        resolve();
      });
    });
    this.#waiters.delete(ticket);
    this.#admission.sweep(Date.now());
    return this.#after(this.#count(this.#admission.claim(ticket, Date.now())));
  }

  cancel(ticket: string): void {
    this.#admission.cancel(ticket, Date.now());
    this.#after(null);
  }

  renew(lease: string): boolean {
    return this.#admission.renew(lease, Date.now());
  }

  /** Idempotent: only the first release of a lease counts in the metrics. */
  release(lease: string, outcome: Outcome): void {
    const served = outcome.result !== 'retry' && outcome.result !== 'error';
    if (this.#admission.release(lease, Date.now(), served)) this.#metrics.finished(outcome);
    this.#after(null);
  }

  hostFailed(name: string): void {
    this.#admission.hostFailed(name, Date.now());
  }

  report(host: HostReport, active: ActiveVersions): void {
    const now = Date.now();
    this.#admission.setActive(active, now);
    this.#admission.report(host, now);
    this.#admission.sweep(now);
    this.#after(null);
  }

  setActive(active: ActiveVersions): void {
    this.#admission.setActive(active, Date.now());
    this.#after(null);
  }

  status(): { hosts: number; capacity: number; running: number; waiting: number } {
    const hosts = this.#admission.aliveHosts(Date.now()).filter((host) => !host.draining);
    return {
      hosts: hosts.length,
      capacity: hosts.reduce((sum, host) => sum + host.capacity, 0),
      running: this.#admission.running,
      waiting: this.#admission.waiting,
    };
  }

  metrics(): string {
    return this.#metrics.render({
      ...this.status(),
      active: this.#admission.activeVersions,
      leasesExpired: this.#admission.leasesExpired,
    });
  }

  override alarm(): void {
    this.#admission.sweep(Date.now());
    this.#after(null);
  }

  /** Wakes waiters whose tickets are decided, and has changes written down soon. */
  #after<T>(result: T): T {
    for (const ticket of this.#admission.decided()) this.#waiters.get(ticket)?.();
    if (this.#persistDue) return result;
    this.#persistDue = true;
    setTimeout(() => {
      this.#persistDue = false;
      this.#persist();
    }, PERSIST_AFTER_MS);
    return result;
  }

  #count(verdict: Verdict): Verdict {
    if (verdict.kind === 'granted') this.#metrics.granted(verdict.grant.queueMs);
    if (verdict.kind === 'refused') this.#metrics.refused(verdict.reason);
    return verdict;
  }

  /** Leases from before a restart count for one more TTL, or until their holder releases them. */
  #loadLeases(ttlMs: number): Lease[] {
    const { sql } = this.ctx.storage;
    sql.exec(
      'CREATE TABLE IF NOT EXISTS leases (id TEXT PRIMARY KEY, host TEXT NOT NULL, granted_at INTEGER NOT NULL)',
    );
    const rows = sql.exec<{ id: string; host: string; granted_at: number }>('SELECT * FROM leases').toArray();
    for (const row of rows) this.#persisted.add(row.id);
    const expiresAt = Date.now() + ttlMs;
    return rows.map((row) => ({ id: row.id, host: row.host, grantedAt: row.granted_at, expiresAt }));
  }

  /** Writes the difference to the last time. Leases shorter than PERSIST_AFTER_MS never touch the disk. */
  #persist(): void {
    const leases = new Map([...this.#admission.leases()].map((lease) => [lease.id, lease]));
    const { sql } = this.ctx.storage;
    for (const id of this.#persisted) {
      if (leases.has(id)) continue;
      sql.exec('DELETE FROM leases WHERE id = ?', id);
      this.#persisted.delete(id);
    }
    for (const { id, host, grantedAt } of leases.values()) {
      if (this.#persisted.has(id)) continue;
      sql.exec('INSERT INTO leases VALUES (?, ?, ?)', id, host, grantedAt);
      this.#persisted.add(id);
    }
    this.#wakeAt(Math.min(...[...leases.values()].map((lease) => lease.expiresAt)));
  }

  /** An alarm for the first lease that may run out; renewals move it, so it is only set anew when it has passed. */
  #wakeAt(time: number): void {
    if (time === Infinity || this.#alarmAt > Date.now()) return;
    this.#alarmAt = time + 1;
    void this.ctx.storage.setAlarm(this.#alarmAt);
  }
}
