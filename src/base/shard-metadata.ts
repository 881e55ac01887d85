/**
 * What the header of an expert shard file says, and whether it fits together: metadata, names and shapes of the tensors,
 * and the hash of the tensor bytes. Shared by the model, which then decodes the tensors, and by the edge, which checks an
 * upload without decoding it.
 *
 * Layout (E experts, C channels, R rank): `layers.{l}.router.weight [E, C]`, `layers.{l}.{linear}.lora_A [E, R, in]`,
 * `layers.{l}.{linear}.lora_B [E, out, R]`. Every layer of the base has a router; a linear may be absent. Experts of
 * attention have a gate of their own, `layers.{l}.attention_router.weight [E, C]`: they are trained and scored, not served.
 */
import { z } from 'zod';
import { headerOfBytes, type SafetensorsHeader } from './safetensors-header.ts';
import { sha256Hex } from './sha256.ts';
import {
  ADAPTED_LINEARS,
  ATTENTION_LINEARS,
  FFN_LINEARS,
  TensorSizes,
  malformed,
  readTensorName,
  routerName,
} from './shard-tensors.ts';
import type { AdaptedLinear, ExpertPart } from './shard-tensors.ts';

const SHARD_FORMAT = 'sparsedoctor-shard-1';

export const MAX_SHARD_HEADER_BYTES = 1024 * 1024;
const MAX_RANK = 256;
/** Experts that a token may mix, whatever its shards say. */
export const MAX_TOP_K = 4;

const number = (schema: z.ZodNumber) => z.string().max(32).regex(/\d/).transform(Number).pipe(schema);
const hash = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hexadecimal digits');

/** Names are used in paths and URLs, so they hold nothing that means something there. */
export const specialtySchema = z.string().regex(/^[a-z][a-z0-9_]{0,63}$/, 'must be like "cardiovascular"');
export const shardVersionSchema = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'must be like "1.0.0": letters, digits, ".", "_" and "-"');

const metadataSchema = z
  .strictObject({
    format: z.literal(SHARD_FORMAT, { error: `must be "${SHARD_FORMAT}"` }),
    specialty: specialtySchema,
    version: shardVersionSchema,
    base_fingerprint: hash,
    rank: number(z.int().min(1).max(MAX_RANK)),
    alpha: number(z.number().positive().max(65_536)),
    top_k: number(z.int().min(1).max(MAX_TOP_K)),
    created: z.iso.datetime(),
    training_run: z.string().min(1).max(256),
    licence: z.string().min(1).max(256),
    tensors_sha256: hash,
  })
  .transform((raw) => ({
    specialty: raw.specialty,
    version: raw.version,
    baseFingerprint: raw.base_fingerprint,
    rank: raw.rank,
    alpha: raw.alpha,
    topK: raw.top_k,
    created: raw.created,
    trainingRun: raw.training_run,
    licence: raw.licence,
    tensorsSha256: raw.tensors_sha256,
  }));

export type ShardMetadata = Readonly<z.output<typeof metadataSchema>>;

export interface ShardLayout {
  readonly metadata: ShardMetadata;
  readonly layers: number;
  readonly experts: number;
  readonly hiddenSize: number;
  /** Undefined where no linear tells. */
  readonly intermediateSize: number | undefined;
  /** Channels of all query heads, and of all key heads. */
  readonly querySize: number | undefined;
  readonly keyValueSize: number | undefined;
  /** Linears that any layer adapts. */
  readonly linears: readonly AdaptedLinear[];
  readonly parameters: number;
}

/** Metadata in the spelling of the file. */
export function encodeShardMetadata(metadata: ShardMetadata): Record<string, string> {
  const encoded = {
    format: SHARD_FORMAT,
    specialty: metadata.specialty,
    version: metadata.version,
    base_fingerprint: metadata.baseFingerprint,
    rank: String(metadata.rank),
    alpha: String(metadata.alpha),
    top_k: String(metadata.topK),
    created: metadata.created,
    training_run: metadata.trainingRun,
    licence: metadata.licence,
    tensors_sha256: metadata.tensorsSha256,
  };
  parseShardMetadata(encoded);
  return encoded;
}

function parseShardMetadata(raw: Readonly<Record<string, string>>): ShardMetadata {
  const result = metadataSchema.safeParse(raw);
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => `${issue.path.join('.') || 'keys'}: ${issue.message}`);
  throw malformed('metadata', `The shard's metadata is not valid: ${problems.join('; ')}.`);
}

/** What computes a shard: hosts serve experts of the FFN; the trainer and its scorer also those of attention. */
export type ShardUse = 'serving' | 'training';

/** Checks names, types and shapes of a shard's tensors against each other, and that the use can compute them. */
export function readShardLayout(header: SafetensorsHeader, use: ShardUse = 'serving'): ShardLayout {
  const metadata = parseShardMetadata(header.metadata);
  const sizes = new TensorSizes(metadata.rank);
  const routers: Record<ExpertPart, Set<number>> = { ffn: new Set(), attention: new Set() };
  const halves = new Map<string, number>();
  let parameters = 0;
  for (const tensor of header.tensors.values()) {
    const { layer, part, linear, half } = readTensorName(tensor.name);
    if (!['F32', 'F16', 'BF16'].includes(tensor.type)) {
      throw malformed('dtype', `Tensor ${tensor.name} is ${tensor.type}; shards hold F32, F16 or BF16.`);
    }
    sizes.check(tensor, linear, half);
    if (linear === undefined) routers[part].add(layer);
    else halves.set(`${layer}.${linear}`, (halves.get(`${layer}.${linear}`) ?? 0) + 1);
    parameters += tensor.shape.reduce((product, size) => product * size, 1);
  }
  if (halves.size === 0) throw malformed('missing_tensor', 'The shard adapts no linear at all.');
  for (const [name, count] of halves) {
    if (count !== 2) throw malformed('missing_tensor', `layers.${name} has only one of lora_A and lora_B.`);
  }
  const linears = ADAPTED_LINEARS.filter((linear) =>
    [...halves.keys()].some((name) => name.endsWith(`.${linear}`)),
  );
  const layers = countLayers(routers, linears, [...halves.keys()]);
  if (metadata.topK > sizes.of('experts')) {
    throw malformed('shape', `top_k is ${metadata.topK}, but the shard has ${sizes.of('experts')} experts.`);
  }
  if (use === 'serving') requireServable(linears);
  return {
    metadata,
    layers,
    experts: sizes.of('experts'),
    hiddenSize: sizes.of('hidden'),
    intermediateSize: sizes.known.get('intermediate'),
    querySize: sizes.known.get('query'),
    keyValueSize: sizes.known.get('keyValue'),
    linears,
    parameters,
  };
}

/** Each part whose linears are adapted has a router in every layer. */
function countLayers(
  routers: Readonly<Record<ExpertPart, ReadonlySet<number>>>,
  linears: readonly AdaptedLinear[],
  adapted: readonly string[],
): number {
  const last = Math.max(
    ...adapted.map((name) => Number.parseInt(name, 10)),
    ...routers.ffn,
    ...routers.attention,
  );
  for (const [part, own] of [
    ['ffn', FFN_LINEARS],
    ['attention', ATTENTION_LINEARS],
  ] as const) {
    const isAdapted = own.some((linear) => linears.includes(linear));
    if (!isAdapted && routers[part].size === 0) continue;
    for (let layer = 0; layer <= last; layer++) {
      if (routers[part].has(layer)) continue;
      throw malformed('missing_tensor', `${routerName(layer, part)} is missing.`);
    }
  }
  return last + 1;
}

function requireServable(linears: readonly AdaptedLinear[]): void {
  const found = ATTENTION_LINEARS.filter((linear) => linears.includes(linear));
  if (found.length === 0) return;
  throw malformed(
    'not_served',
    `The shard adapts ${found.join(', ')}: experts of attention are for training and scoring alone, hosts serve those of ${FFN_LINEARS.join(', ')}. Train it with "adapted" among these.`,
  );
}

export interface ExpectedShard {
  readonly baseFingerprint?: string;
  readonly specialty?: string;
  readonly version?: string;
  /** By default `serving`. */
  readonly use?: ShardUse;
}

/** Holds what a shard says it is against what was asked for. */
export function checkShardIdentity(metadata: ShardMetadata, expected: ExpectedShard): void {
  if (expected.baseFingerprint !== undefined && metadata.baseFingerprint !== expected.baseFingerprint) {
    throw malformed(
      'other_base',
      `The shard was trained for base ${metadata.baseFingerprint.slice(0, 12)}…, this one is ${expected.baseFingerprint.slice(0, 12)}…. Train it again on this base.`,
    );
  }
  for (const key of ['specialty', 'version'] as const) {
    if (expected[key] !== undefined && metadata[key] !== expected[key]) {
      throw malformed(
        'other_name',
        `The shard's ${key} is "${metadata[key]}", expected was "${expected[key]}".`,
      );
    }
  }
}

/** The whole check of an upload: header, metadata, shapes, hash of the tensor bytes and, if given, the base. */
export async function checkShardBytes(
  bytes: Uint8Array,
  expected: ExpectedShard = {},
): Promise<ShardLayout & { readonly header: SafetensorsHeader }> {
  const header = headerOfBytes(bytes, MAX_SHARD_HEADER_BYTES);
  const layout = readShardLayout(header, expected.use);
  const { metadata } = layout;
  checkShardIdentity(metadata, expected);
  const actual = await sha256Hex(bytes.subarray(header.dataOffset));
  if (actual !== metadata.tensorsSha256) {
    throw malformed(
      'hash_mismatch',
      'The tensor bytes do not match the hash in the metadata; copy the shard again.',
    );
  }
  return { ...layout, header };
}
