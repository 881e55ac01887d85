/** Hosts that announced themselves lately. Kept in memory only: after a restart they are back within one interval. */
import type { HostAnnouncement } from '../../protocol/hosts.ts';
import { versionKey } from '../admission/types.ts';

const MAX_HOSTS = 256;

interface LiveHost {
  readonly announcement: HostAnnouncement;
  readonly seenAt: number;
  readonly resident: ReadonlyMap<string, string>;
}

export class LiveHosts {
  readonly #hosts = new Map<string, LiveHost>();
  readonly #ttlMs: number;

  constructor(ttlMs: number) {
    this.#ttlMs = ttlMs;
  }

  /** False when there are too many hosts, or another live host has this name. */
  put(announcement: HostAnnouncement, now: number): boolean {
    this.#sweep(now);
    const known = this.#hosts.get(announcement.name);
    if (!known && this.#hosts.size >= MAX_HOSTS) return false;
    if (known && known.announcement.url !== announcement.url) return false;
    this.#hosts.set(announcement.name, {
      announcement,
      seenAt: now,
      resident: new Map(
        announcement.resident.map(({ specialty, version, sha256 }) => [
          versionKey(specialty, version),
          sha256,
        ]),
      ),
    });
    return true;
  }

  /** Hosts that hold exactly these bytes. */
  holders(specialty: string, version: string, sha256: string, now: number): number {
    this.#sweep(now);
    const key = versionKey(specialty, version);
    return [...this.#hosts.values()].filter(
      (host) => host.announcement.draining !== true && host.resident.get(key) === sha256,
    ).length;
  }

  fingerprints(now: number): string[] {
    this.#sweep(now);
    return [...new Set([...this.#hosts.values()].map((host) => host.announcement.base_fingerprint))];
  }

  #sweep(now: number): void {
    for (const [name, host] of this.#hosts) if (now - host.seenAt > this.#ttlMs) this.#hosts.delete(name);
  }
}
