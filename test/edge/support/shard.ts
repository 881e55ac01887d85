/** Small valid shard files, and the ways in which one can be wrong. */
import { encodeShardMetadata, type ShardMetadata } from '../../../src/base/shard-metadata.ts';
import { sha256Hex } from '../../../src/base/sha256.ts';
import { BASE, call, keys } from './edge.ts';

const EXPERTS = 2;
const RANK = 2;
const HIDDEN = 4;
const INNER = 6;

const shapes: [name: string, shape: number[]][] = [
  ['layers.0.router.weight', [EXPERTS, HIDDEN]],
  ['layers.0.up_proj.lora_A', [EXPERTS, RANK, HIDDEN]],
  ['layers.0.up_proj.lora_B', [EXPERTS, INNER, RANK]],
];

export async function makeShard(
  fields: Partial<ShardMetadata> & { readonly fill?: number } = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const { fill = 1, ...metadata } = fields;
  let offset = 0;
  const entries = shapes.map(([name, shape]) => {
    const bytes = shape.reduce((product, size) => product * size, 4);
    offset += bytes;
    return [name, { dtype: 'F32', shape, data_offsets: [offset - bytes, offset] }] as const;
  });
  const tensors = new Uint8Array(new Float32Array(offset / 4).fill(fill).buffer);
  const header = {
    __metadata__: encodeShardMetadata({
      specialty: 'tcm',
      version: '1',
      baseFingerprint: BASE,
      rank: RANK,
      alpha: 4,
      topK: 2,
      created: '2026-01-01T00:00:00Z',
      trainingRun: 'test',
      licence: 'Apache-2.0',
      tensorsSha256: await sha256Hex(tensors),
      ...metadata,
    }),
    ...Object.fromEntries(entries),
  };
  const json = new TextEncoder().encode(JSON.stringify(header));
  const file = new Uint8Array(8 + json.length + tensors.length);
  new DataView(file.buffer).setBigUint64(0, BigInt(json.length), true);
  file.set(json, 8);
  file.set(tensors, 8 + json.length);
  return file;
}

export function upload(
  file: Uint8Array<ArrayBuffer>,
  { specialty = 'tcm', version = '1' }: { specialty?: string; version?: string } = {},
): Promise<Response> {
  return call(`/v1/shards/${specialty}/versions/${version}`, { method: 'PUT', key: keys.admin, body: file });
}

export function activate(specialty: string, version: string): Promise<Response> {
  return call(`/v1/shards/${specialty}/activate`, { key: keys.admin, json: { version } });
}

export function rollback(specialty: string): Promise<Response> {
  return call(`/v1/shards/${specialty}/rollback`, { key: keys.admin, method: 'POST' });
}

/** The identity that a host announces for a file. */
export async function identity(file: Uint8Array, specialty: string, version: string) {
  return { specialty, version, sha256: await sha256Hex(file) };
}
