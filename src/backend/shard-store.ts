/**
 * The expert shards that this host holds. Bytes come in, are checked and loaded into the model's pool; requests take a
 * lease on exact versions; a retired version is unloaded when its last lease ends, and until then it may still be used.
 */
import { CallerError } from '../base/errors.ts';
import { silentLogger, type Logger } from '../base/logger.ts';
import { sha256Hex } from '../base/sha256.ts';
import type { ResidentShard, Route } from '../model/runner.ts';
import { readShardFile, type ShardExpectations, type ShardFile } from '../model/shard-file.ts';
import { SHARD_NOT_RESIDENT } from '../protocol/hosts.ts';
import { MAX_SHARD_BYTES, type ShardIdentity, type ShardUse } from '../protocol/shards.ts';

/** Where shards live on the device. `load` may run beside forward passes; `unload` only when no request uses it. */
export interface ExpertPool {
  load(file: ShardFile): Promise<ResidentShard>;
  unload(resident: ResidentShard): void | Promise<void>;
}

/** The shards of one request, held until `release`. */
export interface ShardLease {
  readonly route: Route;
  /** May be called more than once. */
  release(): void;
}

interface Entry {
  readonly identity: ShardIdentity;
  readonly resident: ResidentShard;
  readonly created: string;
  /** Came with the host itself rather than from the edge: only an explicit order frees it. */
  readonly local: boolean;
  leases: number;
  retired: boolean;
  /** The edge wants it here: it is not given up for another. */
  ordered: boolean;
  /** Rises with every use. */
  lastUse: number;
}

export class ShardStore {
  readonly #pool: ExpertPool;
  readonly #expectations: ShardExpectations;
  readonly #logger: Logger;
  readonly #entries = new Map<string, Entry>();
  readonly #loading = new Map<string, Promise<ShardIdentity>>();
  readonly #listeners = new Set<() => void>();
  #uses = 0;

  constructor(options: { pool: ExpertPool; expectations?: ShardExpectations; logger?: Logger }) {
    this.#pool = options.pool;
    this.#expectations = options.expectations ?? {};
    this.#logger = options.logger ?? silentLogger;
  }

  /**
   * Checks a shard file and loads it. The same bytes again change nothing; other bytes under a version that is held throw
   * `CallerError('shard_conflict')`. `expected` is what the sender said these bytes are.
   */
  async add(
    bytes: Uint8Array,
    options: { local: boolean; expected?: ShardIdentity } = { local: true },
  ): Promise<ShardIdentity> {
    if (bytes.byteLength > MAX_SHARD_BYTES) {
      throw new CallerError('body_too_large', `A shard file may have at most ${MAX_SHARD_BYTES} bytes.`);
    }
    const sha256 = await sha256Hex(bytes);
    const file = await readShardFile(bytes, this.#expectations);
    const identity = { specialty: file.metadata.specialty, version: file.metadata.version, sha256 };
    const { expected } = options;
    if (expected && keyOf(expected) !== keyOf(identity)) {
      throw new CallerError(
        'shard_invalid',
        'The shard file is of another specialty or version than was said.',
      );
    }
    if (expected && expected.sha256 !== sha256) {
      throw new CallerError('shard_invalid', 'The shard file does not have the SHA-256 that was said.');
    }
    const key = keyOf(identity);
    while (this.#loading.has(key)) await this.#loading.get(key)?.catch(() => undefined);
    const entry = this.#entries.get(key);
    if (entry) return this.#again(entry, identity);
    const load = this.#load(file, identity, options.local).finally(() => this.#loading.delete(key));
    this.#loading.set(key, load);
    return load;
  }

  /** Pins exact versions, or throws `CallerError('shard_not_resident')` and pins nothing. */
  acquire(uses: readonly Pick<ShardUse, 'name' | 'version' | 'prior'>[]): ShardLease {
    const entries = uses.map(({ name, version }) => {
      const entry = this.#entries.get(keyOf({ specialty: name, version }));
      if (entry) return entry;
      throw new CallerError(SHARD_NOT_RESIDENT, `This host does not hold shard ${name} version ${version}.`, {
        param: 'sparsedoctor.shards',
      });
    });
    for (const entry of entries) {
      entry.leases += 1;
      entry.lastUse = this.#uses += 1;
    }
    let held = true;
    return {
      route: {
        shards: entries.map((entry, index) => ({ shard: entry.resident, prior: uses[index]!.prior })),
      },
      release: () => {
        if (!held) return;
        held = false;
        for (const entry of entries) {
          entry.leases -= 1;
          this.#freeIfUnused(entry);
        }
      },
    };
  }

  /** The newest version of a specialty that is not retired, for requests that name none. */
  newest(specialty: string): string | undefined {
    const held = [...this.#entries.values()].filter(
      (entry) => entry.identity.specialty === specialty && !entry.retired,
    );
    held.sort((a, b) => (a.created < b.created ? 1 : a.created > b.created ? -1 : 0));
    return held[0]?.identity.version;
  }

  /** Unloads a version as soon as nothing uses it. Unknown versions are no error: they are gone already. */
  retire(shard: { readonly specialty: string; readonly version: string }): void {
    const entry = this.#entries.get(keyOf(shard));
    if (!entry) return;
    entry.retired = true;
    this.#freeIfUnused(entry);
  }

  /** Marks a version that is held as wanted by the edge: takes a retirement back and protects it from eviction. */
  keep(identity: ShardIdentity): void {
    const entry = this.#entries.get(keyOf(identity));
    if (entry?.identity.sha256 !== identity.sha256) return;
    entry.retired = false;
    entry.ordered = true;
  }

  holds(identity: ShardIdentity): boolean {
    return this.#entries.get(keyOf(identity))?.identity.sha256 === identity.sha256;
  }

  resident(): readonly (ShardIdentity & {
    readonly bytes: number;
    readonly local: boolean;
    readonly leases: number;
  })[] {
    return [...this.#entries.values()].map(({ identity, resident, local, leases }) => ({
      ...identity,
      bytes: resident.bytes,
      local,
      leases,
    }));
  }

  /** Calls back whenever the set of resident shards has changed; returns how to stop that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #again(entry: Entry, identity: ShardIdentity): ShardIdentity {
    if (entry.identity.sha256 !== identity.sha256) {
      throw new CallerError(
        'shard_conflict',
        `Shard ${identity.specialty} version ${identity.version} is held with other bytes: publish under a new version.`,
      );
    }
    entry.retired = false;
    return entry.identity;
  }

  async #load(file: ShardFile, identity: ShardIdentity, local: boolean): Promise<ShardIdentity> {
    const resident = await this.#loadIntoPool(file, local);
    this.#entries.set(keyOf(identity), {
      identity,
      resident,
      created: file.metadata.created,
      local,
      leases: 0,
      retired: false,
      ordered: !local,
      lastUse: (this.#uses += 1),
    });
    this.#logger.info({ shard: keyOf(identity), bytes: resident.bytes }, 'shard loaded');
    this.#changed();
    return identity;
  }

  /** What the edge orders displaces shards that the host brought itself and nobody uses, least recently used first. */
  async #loadIntoPool(file: ShardFile, local: boolean): Promise<ResidentShard> {
    for (;;) {
      try {
        return await this.#pool.load(file);
      } catch (error) {
        const full = error instanceof CallerError && error.code === 'expert_pool_full';
        const victim = full && !local ? this.#leastRecentlyUsed() : undefined;
        if (!victim) throw error;
        this.#entries.delete(keyOf(victim.identity));
        this.#changed();
        await this.#pool.unload(victim.resident);
        this.#logger.info({ shard: keyOf(victim.identity) }, 'shard displaced');
      }
    }
  }

  #leastRecentlyUsed(): Entry | undefined {
    const free = [...this.#entries.values()].filter((entry) => entry.leases === 0 && !entry.ordered);
    return free.reduce<Entry | undefined>(
      (oldest, entry) => (oldest && oldest.lastUse < entry.lastUse ? oldest : entry),
      undefined,
    );
  }

  #freeIfUnused(entry: Entry): void {
    const key = keyOf(entry.identity);
    if (!entry.retired || entry.leases > 0 || this.#entries.get(key) !== entry) return;
    this.#entries.delete(key);
    this.#changed();
    void this.#unload(entry);
  }

  async #unload(entry: Entry): Promise<void> {
    const shard = keyOf(entry.identity);
    try {
      await this.#pool.unload(entry.resident);
      this.#logger.info({ shard }, 'shard unloaded');
    } catch (error) {
      this.#logger.error({ shard, detail: String(error) }, 'shard could not be unloaded');
    }
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }
}

function keyOf(shard: { readonly specialty: string; readonly version: string }): string {
  return `${shard.specialty}@${shard.version}`;
}
