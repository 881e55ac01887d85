/** What has to be on this device: the parts of the model's files, and the shards that are active at the edge. */
import { CallerError } from '../../base/errors.ts';
import type { ByteSource, FileSource } from '../../model/byte-source.ts';
import { shardListSchema } from '../../protocol/shards.ts';
import { manifestSchema, modelFolder, type Manifest } from './manifest.ts';
import { fetchOk, type PartStore, type WantedPart } from './part-store.ts';

export interface Plan {
  readonly manifest: Manifest;
  /** By the file's name. */
  readonly files: ReadonlyMap<string, readonly WantedPart[]>;
  /** By specialty. */
  readonly shards: ReadonlyMap<string, WantedPart>;
  readonly bytes: number;
}

export interface ModelFiles {
  readonly plan: Plan;
  readonly files: ReadonlyMap<string, readonly Uint8Array[]>;
  readonly shards: ReadonlyMap<string, Uint8Array>;
}

export async function makePlan(key: string | null): Promise<Plan> {
  if (key === null) throw new CallerError('key', 'The shards need the access key.');
  const authorization = { authorization: `Bearer ${key}` };
  const manifest = manifestSchema.parse(await (await fetchOk(`/${modelFolder}/manifest.json`, {})).json());
  const list = shardListSchema.parse(await (await fetchOk('/v1/shards', authorization)).json());
  const files = new Map<string, WantedPart[]>();
  for (const [name, { parts }] of Object.entries(manifest.files)) {
    files.set(
      name,
      parts.map((part) => ({ ...part, url: `/${modelFolder}/${part.sha256}`, headers: {} })),
    );
  }
  const shards = new Map<string, WantedPart>();
  for (const { specialty, active, versions } of list.data) {
    const found = versions.find(({ version }) => version === active);
    if (!found) continue;
    if (found.base_fingerprint !== manifest.fingerprint) {
      throw new CallerError(
        'other_base',
        'The shards of this server are for another base than the page has.',
      );
    }
    const url = `/v1/shards/${specialty}/versions/${found.version}`;
    shards.set(specialty, { sha256: found.sha256, bytes: found.bytes, url, headers: authorization });
  }
  const plan = { manifest, files, shards };
  return { ...plan, bytes: allParts(plan).reduce((sum, { bytes }) => sum + bytes, 0) };
}

function allParts({ files, shards }: Pick<Plan, 'files' | 'shards'>): WantedPart[] {
  return [...[...files.values()].flat(), ...shards.values()];
}

export async function missingBytes(plan: Plan, store: PartStore): Promise<number> {
  let missing = 0;
  for (const part of allParts(plan)) if (!(await store.has(part))) missing += part.bytes;
  return missing;
}

/** Fetches what the store lacks, part after part; `onProgress` gets the bytes that are there so far. */
export async function fetchModel(
  plan: Plan,
  store: PartStore,
  onProgress: (received: number) => void,
): Promise<ModelFiles> {
  let done = 0;
  const get = async (part: WantedPart): Promise<Uint8Array> => {
    const bytes = await store.get(part, (received) => onProgress(done + received));
    done += part.bytes;
    return bytes;
  };
  const files = new Map<string, Uint8Array[]>();
  for (const [name, parts] of plan.files) {
    const contents: Uint8Array[] = [];
    for (const part of parts) contents.push(await get(part));
    files.set(name, contents);
  }
  const shards = new Map<string, Uint8Array>();
  for (const [specialty, part] of plan.shards) shards.set(specialty, await get(part));
  await store.keepOnly(allParts(plan));
  return { plan, files, shards };
}

/** One file in one piece. */
export function wholeFile({ files }: ModelFiles, name: string): Uint8Array<ArrayBuffer> {
  const parts = files.get(name);
  if (!parts) throw new CallerError('absent', `The page has no ${name}.`);
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** The files below a prefix as the model reads them: by ranges, so that a file of many parts is not put together. */
export function filesBelow({ files }: ModelFiles, prefix: string): FileSource {
  return {
    get: async (name) => {
      const parts = files.get(prefix + name);
      return parts && partsSource(parts);
    },
  };
}

function partsSource(parts: readonly Uint8Array[]): ByteSource {
  const size = parts.reduce((sum, { length }) => sum + length, 0);
  return {
    size,
    read: async (offset, length) => {
      if (offset < 0 || offset + length > size) {
        throw new CallerError('file_truncated', `The file ends at byte ${size}.`);
      }
      const bytes = new Uint8Array(length);
      let start = 0;
      for (const part of parts) {
        const from = Math.max(offset, start);
        const to = Math.min(offset + length, start + part.length);
        if (from < to) bytes.set(part.subarray(from - start, to - start), from - offset);
        start += part.length;
      }
      return bytes;
    },
  };
}
