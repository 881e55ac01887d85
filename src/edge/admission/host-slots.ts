/**
 * Which hosts there are and how many of their slots are free. A slot is taken when we leased it, or when the host reports
 * a request that we know nothing of (a lease from before a restart, a direct caller). Nothing is assumed of a host before
 * its first report: that is what makes a restarted queue sell no slot twice.
 */
import type { Exclusion, HostReport } from './types.ts';

/** A report may have been on its way while a lease ended: for this long such a lease counts as ended. */
const REPORT_LAG_MS = 1_500;
/** A host that could not be reached gets nothing for this long. */
const COOL_DOWN_MS = 5_000;

interface Host {
  report: HostReport;
  number: number;
  reportedAt: number;
  coolUntil: number;
  lastGrantAt: number;
  readonly resident: Set<string>;
  readonly leases: Set<string>;
  readonly released: Map<string, number>;
}

export interface Place {
  readonly name: string;
  readonly url: string;
  readonly report: number;
}

export class HostSlots {
  readonly #hosts = new Map<string, Host>();
  /** Leases of hosts that have not reported yet, after a restart. */
  readonly #orphans = new Map<string, Set<string>>();
  readonly #ttlMs: number;
  #reports = 0;

  constructor(ttlMs: number) {
    this.#ttlMs = ttlMs;
  }

  report(report: HostReport, now: number): void {
    const known = this.#hosts.get(report.name);
    this.#reports += 1;
    this.#hosts.set(report.name, {
      report,
      number: this.#reports,
      reportedAt: now,
      coolUntil: known?.coolUntil ?? 0,
      lastGrantAt: known?.lastGrantAt ?? 0,
      resident: new Set(report.resident),
      leases: known?.leases ?? this.#orphans.get(report.name) ?? new Set(),
      released: known?.released ?? new Map(),
    });
    this.#orphans.delete(report.name);
  }

  /** The least loaded host that is alive, holds all of `versions`, is not excluded and has a free slot. */
  place(versions: readonly string[], exclude: readonly Exclusion[], now: number): Place | null {
    let best: Host | null = null;
    for (const host of this.#candidates(versions, exclude, now)) {
      if (this.#taken(host, now) >= host.report.capacity || host.coolUntil > now) continue;
      if (best === null || this.#before(host, best, now)) best = host;
    }
    return best && { name: best.report.name, url: best.report.url, report: best.number };
  }

  /** Live hosts that are not excluded for good, whether or not they have room or the right shards now. */
  possible(exclude: readonly Exclusion[], now: number): number {
    const forGood = exclude.filter((one) => one.untilReport === null);
    return [...this.#candidates([], forGood, now)].length;
  }

  occupy(name: string, lease: string, now: number): void {
    const host = this.#hosts.get(name);
    if (host) {
      host.leases.add(lease);
      host.lastGrantAt = now;
      return;
    }
    const orphans = this.#orphans.get(name) ?? new Set();
    this.#orphans.set(name, orphans.add(lease));
  }

  free(name: string, lease: string, now: number): void {
    this.#orphans.get(name)?.delete(lease);
    const host = this.#hosts.get(name);
    if (host?.leases.delete(lease)) host.released.set(lease, now);
  }

  coolDown(name: string, now: number): void {
    const host = this.#hosts.get(name);
    if (host) host.coolUntil = now + COOL_DOWN_MS;
  }

  /** Forgets hosts that fell silent and releases that every report has seen by now. */
  sweep(now: number): void {
    for (const [name, host] of this.#hosts) {
      for (const [lease, at] of host.released) if (now - at > REPORT_LAG_MS) host.released.delete(lease);
      if (now - host.reportedAt > this.#ttlMs && host.leases.size === 0) this.#hosts.delete(name);
    }
  }

  alive(now: number): readonly HostReport[] {
    return [...this.#hosts.values()].filter((host) => this.#isAlive(host, now)).map((host) => host.report);
  }

  capacity(now: number): number {
    return this.alive(now).reduce((sum, host) => sum + (host.draining ? 0 : host.capacity), 0);
  }

  *#candidates(versions: readonly string[], exclude: readonly Exclusion[], now: number): Iterable<Host> {
    for (const host of this.#hosts.values()) {
      if (!this.#isAlive(host, now) || host.report.draining) continue;
      if (!versions.every((version) => host.resident.has(version))) continue;
      if (exclude.some((one) => excludes(one, host))) continue;
      yield host;
    }
  }

  #isAlive(host: Host, now: number): boolean {
    return now - host.reportedAt <= this.#ttlMs;
  }

  #taken(host: Host, now: number): number {
    const { leaseIds, running, waiting } = host.report;
    if (leaseIds === null) return Math.max(host.leases.size, running + waiting);
    const unknown = leaseIds.filter(
      (id) => !host.leases.has(id) && !this.#justReleased(host, id, now),
    ).length;
    const withoutLease = Math.max(0, running + waiting - leaseIds.length);
    return host.leases.size + unknown + withoutLease;
  }

  #justReleased(host: Host, lease: string, now: number): boolean {
    return now - (host.released.get(lease) ?? -Infinity) <= REPORT_LAG_MS;
  }

  /** By load, then by who waited longest, so that equal hosts take turns. */
  #before(a: Host, b: Host, now: number): boolean {
    const loadA = this.#taken(a, now) / a.report.capacity;
    const loadB = this.#taken(b, now) / b.report.capacity;
    return loadA === loadB ? a.lastGrantAt < b.lastGrantAt : loadA < loadB;
  }
}

function excludes(exclusion: Exclusion, host: Host): boolean {
  if (exclusion.host !== host.report.name) return false;
  return exclusion.untilReport === null || exclusion.untilReport === host.number;
}
