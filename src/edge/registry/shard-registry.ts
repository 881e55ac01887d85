/**
 * The registry: one Durable Object that knows every shard version and every host, and the one point where a version
 * becomes active. `activate` only names the version that is wanted; announcements make hosts stage it; the change happens
 * in the announcement (or the call) after which enough live hosts hold it, and reaches the admission queue before
 * anybody is told. Bytes lie in the bucket, never here.
 */
import { DurableObject } from 'cloudflare:workers';
import type { HostAnnouncement, HostOrders } from '../../protocol/hosts.ts';
import type { Activation, ShardList } from '../../protocol/shards.ts';
import { versionKey, type ActiveVersions } from '../admission/types.ts';
import { admissionOf, settingsOf, type Bindings, type Settings } from '../bindings.ts';
import { LiveHosts } from './live-hosts.ts';
import { ShardStore, type StoredVersion } from './shard-store.ts';

const MAX_SPECIALTIES = 512;
const MAX_VERSIONS = 64;
/** Activations that can be undone, per specialty. */
const MAX_HISTORY = 32;

export type PublishResult = 'created' | 'exists' | 'conflict' | 'full';
export type ActivationResult =
  | { readonly kind: 'known'; readonly activation: Activation }
  | { readonly kind: 'unknown_version' }
  | { readonly kind: 'nothing_before' };
export type AnnounceResult =
  | { readonly kind: 'orders'; readonly orders: HostOrders }
  | { readonly kind: 'name_taken' };

export class ShardRegistry extends DurableObject<Bindings> {
  readonly #store: ShardStore;
  readonly #hosts: LiveHosts;
  readonly #settings: Settings;
  /** Calls that wait for an activation, woken at every flip. */
  readonly #waiting = new Set<() => void>();

  constructor(ctx: DurableObjectState, env: Bindings) {
    super(ctx, env);
    this.#settings = settingsOf(env);
    this.#store = new ShardStore(ctx.storage.sql);
    this.#hosts = new LiveHosts(this.#settings.HOST_TTL_MS);
  }

  async announce(host: HostAnnouncement): Promise<AnnounceResult> {
    if (!this.#hosts.put(host, Date.now())) return { kind: 'name_taken' };
    for (const { specialty } of this.#store.specialties()) await this.#flipIfHeld(specialty);
    // The queue trusts only residents whose bytes are the published ones.
    const resident = host.resident
      .filter((one) => this.#store.version(one.specialty, one.version)?.sha256 === one.sha256)
      .map((one) => versionKey(one.specialty, one.version));
    await admissionOf(this.env).report(
      {
        name: host.name,
        url: host.url,
        capacity: host.capacity,
        running: host.running,
        waiting: host.waiting,
        resident,
        leaseIds: host.lease_ids ?? null,
        draining: host.draining ?? false,
      },
      this.active(),
    );
    return { kind: 'orders', orders: this.#ordersFor(host) };
  }

  active(): ActiveVersions {
    const versions: Record<string, string> = {};
    for (const { specialty, history } of this.#store.specialties()) {
      const version = history.at(-1);
      if (version !== undefined) versions[specialty] = version;
    }
    return { revision: this.#store.revision(), versions };
  }

  list(): ShardList {
    const data = new Map<string, ShardList['data'][number]>();
    const now = Date.now();
    for (const stored of this.#store.versions()) {
      const entry = data.get(stored.specialty) ?? {
        specialty: stored.specialty,
        active: this.#store.specialty(stored.specialty).history.at(-1) ?? null,
        versions: [],
      };
      data.set(stored.specialty, entry);
      entry.versions.push({
        version: stored.version,
        state: stored.state,
        sha256: stored.sha256,
        bytes: stored.bytes,
        base_fingerprint: stored.baseFingerprint,
        published_at: stored.publishedAt,
        hosts: this.#hosts.holders(stored.specialty, stored.version, stored.sha256, now),
      });
    }
    return { object: 'list', data: [...data.values()] };
  }

  find(specialty: string, version: string): StoredVersion | null {
    return this.#store.version(specialty, version);
  }

  fingerprints(): string[] {
    return this.#hosts.fingerprints(Date.now());
  }

  /** A version is immutable: the same bytes again are fine, other bytes are a conflict. */
  publish(version: StoredVersion): PublishResult {
    const known = this.#store.version(version.specialty, version.version);
    if (known) return known.sha256 === version.sha256 ? 'exists' : 'conflict';
    const versions = this.#store.countVersions(version.specialty);
    if (versions >= MAX_VERSIONS) return 'full';
    if (versions === 0 && this.#store.countSpecialties() >= MAX_SPECIALTIES) return 'full';
    this.#store.addVersion(version);
    return 'created';
  }

  async activate(specialty: string, version: string): Promise<ActivationResult> {
    if (!this.#store.version(specialty, version)) return { kind: 'unknown_version' };
    if (this.#store.specialty(specialty).history.at(-1) === version) this.#want(specialty, null, false);
    else this.#want(specialty, version, false);
    await this.#flipIfHeld(specialty);
    return this.activation(specialty, version);
  }

  /** Back to what was active before. While an activation is still being staged, it is that which is taken back. */
  async rollback(specialty: string): Promise<ActivationResult> {
    const { history, desired, desiredIsRollback } = this.#store.specialty(specialty);
    const active = history.at(-1);
    if (desired !== null && !desiredIsRollback && active !== undefined) {
      this.#want(specialty, null, false);
      return this.activation(specialty, active);
    }
    const target = history.at(-2);
    if (target === undefined) return { kind: 'nothing_before' };
    this.#want(specialty, target, true);
    await this.#flipIfHeld(specialty);
    return this.activation(specialty, target);
  }

  activation(specialty: string, version: string): ActivationResult {
    const stored = this.#store.version(specialty, version);
    if (!stored) return { kind: 'unknown_version' };
    const { history } = this.#store.specialty(specialty);
    const active = history.at(-1) ?? null;
    return {
      kind: 'known',
      activation: {
        specialty,
        version,
        state: active === version ? 'active' : 'staged',
        previous: (active === version ? history.at(-2) : active) ?? null,
        holders: this.#hosts.holders(specialty, version, stored.sha256, Date.now()),
        quorum: this.#settings.ACTIVATION_QUORUM,
      },
    };
  }

  /** Ends when the version is active or no longer wanted, or after `ms`. */
  async awaitActivation(specialty: string, version: string, ms: number): Promise<ActivationResult> {
    const until = Date.now() + ms;
    while (this.#store.specialty(specialty).desired === version && Date.now() < until) {
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          clearTimeout(timer);
          this.#waiting.delete(wake);
          resolve();
        };
        const timer = setTimeout(wake, until - Date.now());
        this.#waiting.add(wake);
      });
    }
    return this.activation(specialty, version);
  }

  #want(specialty: string, version: string | null, isRollback: boolean): void {
    const stored = this.#store.specialty(specialty);
    if (stored.desired !== null && stored.desired !== version) {
      const seen = stored.history.includes(stored.desired);
      this.#store.setState(specialty, stored.desired, seen ? 'retired' : 'published');
    }
    this.#store.putSpecialty({ ...stored, desired: version, desiredIsRollback: isRollback });
    if (version !== null) this.#store.setState(specialty, version, 'staged');
    this.#wake();
  }

  async #flipIfHeld(specialty: string): Promise<void> {
    const { history, desired, desiredIsRollback } = this.#store.specialty(specialty);
    if (desired === null) return;
    const wanted = this.#store.version(specialty, desired);
    if (!wanted) return;
    const holders = this.#hosts.holders(specialty, desired, wanted.sha256, Date.now());
    if (holders < this.#settings.ACTIVATION_QUORUM) return;
    const before = history.at(-1);
    const after = desiredIsRollback ? history.slice(0, -1) : [...history, desired].slice(-MAX_HISTORY);
    this.ctx.storage.transactionSync(() => {
      if (before !== undefined) this.#store.setState(specialty, before, 'retired');
      this.#store.setState(specialty, desired, 'active');
      this.#store.putSpecialty({ specialty, history: after, desired: null, desiredIsRollback: false });
      this.#store.nextRevision();
    });
    await admissionOf(this.env).setActive(this.active());
    this.#wake();
  }

  #ordersFor(host: HostAnnouncement): HostOrders {
    const active = this.active().versions;
    const stage: HostOrders['stage'] = [];
    for (const { specialty, history, desired } of this.#store.specialties()) {
      for (const version of new Set([history.at(-1), desired])) {
        const stored = version ? this.#store.version(specialty, version) : null;
        if (stored?.baseFingerprint !== host.base_fingerprint) continue;
        stage.push({ specialty, version: stored.version, sha256: stored.sha256, bytes: stored.bytes });
      }
    }
    const kept = new Set(stage.map((one) => `${versionKey(one.specialty, one.version)}:${one.sha256}`));
    const retire = host.resident
      .filter((one) => !kept.has(`${versionKey(one.specialty, one.version)}:${one.sha256}`))
      .map(({ specialty, version }) => ({ specialty, version }));
    return { stage, retire, active, announce_every_ms: this.#settings.ANNOUNCE_EVERY_MS };
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
  }
}
