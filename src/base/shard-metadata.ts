/**
 * What the header of an expert shard file says, and whether it fits together: metadata, names and shapes of the tensors,
 * and the hash of the tensor bytes. Shared by the model, which then decodes the tensors, and by the edge, which checks an
 * upload without decoding it.
 *
 * Layout (E experts, C channels, R rank): `layers.{l}.router.weight [E, C]`, `layers.{l}.{linear}.lora_A [E, R, in]`,
 * `layers.{l}.{linear}.lora_B [E, out, R]`. Every layer of the base has a router; a linear may be absent.
 */
import { z } from 'zod';
import { CallerError } from './errors.ts';
import { headerOfBytes, type SafetensorsHeader, type TensorEntry } from './safetensors-header.ts';
import { sha256Hex } from './sha256.ts';

const SHARD_FORMAT = 'sparsedoctor-shard-1';
export const ADAPTED_LINEARS = ['gate_proj', 'up_proj', 'down_proj'] as const;
export type AdaptedLinear = (typeof ADAPTED_LINEARS)[number];

export const MAX_SHARD_HEADER_BYTES = 1024 * 1024;
const MAX_RANK = 256;
const MAX_EXPERTS = 1024;
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
  readonly intermediateSize: number | undefined;
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
  throw fail('metadata', `The shard's metadata is not valid: ${problems.join('; ')}.`);
}

/** Checks names, types and shapes of a shard's tensors against each other. */
export function readShardLayout(header: SafetensorsHeader): ShardLayout {
  const metadata = parseShardMetadata(header.metadata);
  const sizes = new Sizes(metadata.rank);
  const routers = new Set<number>();
  const halves = new Map<string, number>();
  let parameters = 0;
  for (const tensor of header.tensors.values()) {
    const { layer, linear, half } = readName(tensor.name);
    if (!['F32', 'F16', 'BF16'].includes(tensor.type)) {
      throw fail('dtype', `Tensor ${tensor.name} is ${tensor.type}; shards hold F32, F16 or BF16.`);
    }
    sizes.check(tensor, linear, half);
    if (linear === undefined) routers.add(layer);
    else halves.set(`${layer}.${linear}`, (halves.get(`${layer}.${linear}`) ?? 0) + 1);
    parameters += tensor.shape.reduce((product, size) => product * size, 1);
  }
  if (halves.size === 0) throw fail('missing_tensor', 'The shard adapts no linear at all.');
  for (const [name, count] of halves) {
    if (count !== 2) throw fail('missing_tensor', `layers.${name} has only one of lora_A and lora_B.`);
    const layer = Number.parseInt(name, 10);
    if (!routers.has(layer)) throw fail('missing_tensor', `layers.${layer}.router.weight is missing.`);
  }
  for (let layer = 0; layer < routers.size; layer++) {
    if (!routers.has(layer)) throw fail('missing_tensor', `layers.${layer}.router.weight is missing.`);
  }
  if (metadata.topK > sizes.of('experts')) {
    throw fail('shape', `top_k is ${metadata.topK}, but the shard has ${sizes.of('experts')} experts.`);
  }
  return {
    metadata,
    layers: routers.size,
    experts: sizes.of('experts'),
    hiddenSize: sizes.of('hidden'),
    intermediateSize: sizes.known.get('intermediate'),
    linears: ADAPTED_LINEARS.filter((linear) => [...halves.keys()].some((name) => name.endsWith(linear))),
    parameters,
  };
}

export interface ExpectedShard {
  readonly baseFingerprint?: string;
  readonly specialty?: string;
  readonly version?: string;
}

/** Holds what a shard says it is against what was asked for. */
export function checkShardIdentity(metadata: ShardMetadata, expected: ExpectedShard): void {
  if (expected.baseFingerprint !== undefined && metadata.baseFingerprint !== expected.baseFingerprint) {
    throw fail(
      'other_base',
      `The shard was trained for base ${metadata.baseFingerprint.slice(0, 12)}…, this one is ${expected.baseFingerprint.slice(0, 12)}…. Train it again on this base.`,
    );
  }
  for (const key of ['specialty', 'version'] as const) {
    if (expected[key] !== undefined && metadata[key] !== expected[key]) {
      throw fail('other_name', `The shard's ${key} is "${metadata[key]}", expected was "${expected[key]}".`);
    }
  }
}

/** The whole check of an upload: header, metadata, shapes, hash of the tensor bytes and, if given, the base. */
export async function checkShardBytes(
  bytes: Uint8Array,
  expected: ExpectedShard = {},
): Promise<ShardLayout & { readonly header: SafetensorsHeader }> {
  const header = headerOfBytes(bytes, MAX_SHARD_HEADER_BYTES);
  const layout = readShardLayout(header);
  const { metadata } = layout;
  checkShardIdentity(metadata, expected);
  const actual = await sha256Hex(bytes.subarray(header.dataOffset));
  if (actual !== metadata.tensorsSha256) {
    throw fail(
      'hash_mismatch',
      'The tensor bytes do not match the hash in the metadata; copy the shard again.',
    );
  }
  return { ...layout, header };
}

function readName(name: string): { layer: number; linear?: AdaptedLinear; half?: 'A' | 'B' } {
  const match = /^layers\.(0|[1-9]\d{0,3})\.(?:router\.weight|([a-z_]{1,32})\.lora_([AB]))$/.exec(name);
  if (match === null)
    throw fail(
      'unknown_tensor',
      `The shard holds a tensor it should not: ${JSON.stringify(name.slice(0, 120))}.`,
    );
  const layer = Number(match[1]);
  if (match[2] === undefined) return { layer };
  const linear = ADAPTED_LINEARS.find((known) => known === match[2]);
  if (linear === undefined) {
    throw fail(
      'unknown_tensor',
      `The shard adapts ${match[2]}; supported are ${ADAPTED_LINEARS.join(', ')}.`,
    );
  }
  return { layer, linear, half: match[3] === 'A' ? 'A' : 'B' };
}

type SizeName = 'experts' | 'hidden' | 'intermediate';

/** Learns each size where it is first seen and holds all later tensors to it. */
class Sizes {
  readonly known = new Map<SizeName, number>();
  readonly #rank: number;

  constructor(rank: number) {
    this.#rank = rank;
  }

  of(name: SizeName): number {
    return this.known.get(name) ?? 0;
  }

  check(tensor: TensorEntry, linear: AdaptedLinear | undefined, half: 'A' | 'B' | undefined): void {
    const [input, output]: SizeName[] =
      linear === 'down_proj' ? ['intermediate', 'hidden'] : ['hidden', 'intermediate'];
    let pattern: (SizeName | 'rank' | undefined)[];
    if (linear === undefined) pattern = ['experts', 'hidden'];
    else pattern = half === 'A' ? ['experts', 'rank', input] : ['experts', output, 'rank'];
    const fits =
      tensor.shape.length === pattern.length && tensor.shape.every((size, i) => this.#fits(pattern[i], size));
    if (!fits) {
      const wanted = pattern.map((name) => this.#describe(name)).join(', ');
      throw fail('shape', `Tensor ${tensor.name} is [${tensor.shape.join(', ')}], expected was [${wanted}].`);
    }
  }

  #fits(name: SizeName | 'rank' | undefined, size: number): boolean {
    if (name === undefined || size < 1) return false;
    if (name === 'rank') return size === this.#rank;
    if (name === 'experts' && size > MAX_EXPERTS) return false;
    if (!this.known.has(name)) this.known.set(name, size);
    return this.known.get(name) === size;
  }

  #describe(name: SizeName | 'rank' | undefined): string {
    if (name === 'rank') return `rank ${this.#rank}`;
    return name === undefined ? '?' : `${name} ${this.known.get(name) ?? '≥ 1'}`;
  }
}

function fail(malformation: string, message: string): CallerError {
  return new CallerError(`shard_${malformation}`, message);
}
