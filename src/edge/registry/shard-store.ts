/** The registry's tables: shard versions, and per specialty which version is active, wanted next, and was before. */
import { z } from 'zod';
import { shardStateSchema, type ShardState } from '../../protocol/shards.ts';

const historySchema = z.array(z.string());

export interface StoredVersion {
  readonly specialty: string;
  readonly version: string;
  readonly state: ShardState;
  readonly sha256: string;
  readonly bytes: number;
  readonly baseFingerprint: string;
  /** Unix seconds. */
  readonly publishedAt: number;
  /** Object in the bucket. */
  readonly objectKey: string;
}

export interface StoredSpecialty {
  readonly specialty: string;
  /** Activations that a rollback can undo, oldest first; the last is the active version. */
  readonly history: readonly string[];
  readonly desired: string | null;
  /** Whether reaching `desired` undoes the last activation instead of adding one. */
  readonly desiredIsRollback: boolean;
}

type VersionRow = {
  specialty: string;
  version: string;
  state: string;
  sha256: string;
  bytes: number;
  base_fingerprint: string;
  published_at: number;
  object_key: string;
};

type SpecialtyRow = {
  specialty: string;
  history: string;
  desired: string | null;
  desired_is_rollback: number;
};

export class ShardStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    sql.exec(`
      CREATE TABLE IF NOT EXISTS versions (
        specialty TEXT NOT NULL, version TEXT NOT NULL, state TEXT NOT NULL, sha256 TEXT NOT NULL,
        bytes INTEGER NOT NULL, base_fingerprint TEXT NOT NULL, published_at INTEGER NOT NULL,
        object_key TEXT NOT NULL, PRIMARY KEY (specialty, version));
      CREATE TABLE IF NOT EXISTS specialties (
        specialty TEXT PRIMARY KEY, history TEXT NOT NULL, desired TEXT, desired_is_rollback INTEGER NOT NULL);
      CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
    `);
  }

  version(specialty: string, version: string): StoredVersion | null {
    const rows = this.#sql.exec<VersionRow>(
      'SELECT * FROM versions WHERE specialty = ? AND version = ?',
      specialty,
      version,
    );
    const row = rows.toArray()[0];
    return row ? toVersion(row) : null;
  }

  versions(): StoredVersion[] {
    const rows = this.#sql.exec<VersionRow>(
      'SELECT * FROM versions ORDER BY specialty, published_at, version',
    );
    return rows.toArray().map(toVersion);
  }

  countVersions(specialty: string): number {
    const rows = this.#sql.exec<{ n: number }>(
      'SELECT COUNT(*) AS n FROM versions WHERE specialty = ?',
      specialty,
    );
    return rows.one().n;
  }

  countSpecialties(): number {
    return this.#sql.exec<{ n: number }>('SELECT COUNT(DISTINCT specialty) AS n FROM versions').one().n;
  }

  addVersion(version: StoredVersion): void {
    this.#sql.exec(
      'INSERT INTO versions VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
      version.specialty,
      version.version,
      version.state,
      version.sha256,
      version.bytes,
      version.baseFingerprint,
      version.publishedAt,
      version.objectKey,
    );
  }

  setState(specialty: string, version: string, state: ShardState): void {
    this.#sql.exec(
      'UPDATE versions SET state = ? WHERE specialty = ? AND version = ?',
      state,
      specialty,
      version,
    );
  }

  specialty(specialty: string): StoredSpecialty {
    const rows = this.#sql.exec<SpecialtyRow>('SELECT * FROM specialties WHERE specialty = ?', specialty);
    const row = rows.toArray()[0];
    return row ? toSpecialty(row) : { specialty, history: [], desired: null, desiredIsRollback: false };
  }

  specialties(): StoredSpecialty[] {
    return this.#sql.exec<SpecialtyRow>('SELECT * FROM specialties').toArray().map(toSpecialty);
  }

  putSpecialty(specialty: StoredSpecialty): void {
    this.#sql.exec(
      'INSERT OR REPLACE INTO specialties VALUES (?, ?, ?, ?)',
      specialty.specialty,
      JSON.stringify(specialty.history),
      specialty.desired,
      specialty.desiredIsRollback ? 1 : 0,
    );
  }

  /** Grows with every change of an active version, so that older news never replace newer. */
  revision(): number {
    const rows = this.#sql.exec<{ value: number }>("SELECT value FROM counters WHERE name = 'revision'");
    return rows.toArray()[0]?.value ?? 0;
  }

  nextRevision(): number {
    const revision = this.revision() + 1;
    this.#sql.exec("INSERT OR REPLACE INTO counters VALUES ('revision', ?)", revision);
    return revision;
  }
}

function toVersion(row: VersionRow): StoredVersion {
  return {
    specialty: row.specialty,
    version: row.version,
    state: shardStateSchema.parse(row.state),
    sha256: row.sha256,
    bytes: row.bytes,
    baseFingerprint: row.base_fingerprint,
    publishedAt: row.published_at,
    objectKey: row.object_key,
  };
}

function toSpecialty(row: SpecialtyRow): StoredSpecialty {
  return {
    specialty: row.specialty,
    history: historySchema.parse(JSON.parse(row.history)),
    desired: row.desired,
    desiredIsRollback: row.desired_is_rollback === 1,
  };
}
