/**
 * Expert shard files: a LoRA-MoE layer's worth of routers and experts for one specialty. `base/shard-metadata.ts` says
 * what the header must hold; here the tensors are decoded, held against the base model, and written.
 */
import { CallerError } from '../base/errors.ts';
import { invariant } from '../base/invariant.ts';
import { sha256Hex } from '../base/sha256.ts';
import { checkShardBytes, encodeShardMetadata } from '../base/shard-metadata.ts';
import type { ShardLayout, ShardMetadata, ShardUse } from '../base/shard-metadata.ts';
import { ADAPTED_LINEARS, routerName } from '../base/shard-tensors.ts';
import type { AdaptedLinear, ExpertPart } from '../base/shard-tensors.ts';
import type { ModelConfig } from './config.ts';
import {
  decodeFloats,
  safetensorsData,
  writeSafetensors,
  type FloatType,
  type TensorToWrite,
} from './safetensors.ts';

/** All experts of one linear. E experts, R rank. */
export interface ShardLinear {
  /** [E, R, in] */
  readonly A: Float32Array;
  /** [E, out, R] */
  readonly B: Float32Array;
}

export interface ShardLayer {
  /** [E, C]; undefined where nothing of the FFN is adapted. */
  readonly router?: Float32Array | undefined;
  /** [E, C]; undefined where nothing of attention is adapted. */
  readonly attentionRouter?: Float32Array | undefined;
  readonly linears: Readonly<Partial<Record<AdaptedLinear, ShardLinear>>>;
}

export interface ShardFile {
  readonly metadata: ShardMetadata;
  readonly experts: number;
  readonly hiddenSize: number;
  readonly layers: readonly ShardLayer[];
}

/** What a writer has to say; the hash is computed. */
export interface ShardToWrite extends Omit<ShardFile, 'metadata'> {
  readonly metadata: Omit<ShardMetadata, 'tensorsSha256'>;
}

export interface ShardExpectations {
  /** The base the shard shall run on: sizes are checked. */
  readonly config?: ModelConfig;
  /** The base the shard shall run on: its identity is checked. */
  readonly baseFingerprint?: string;
  /** By default `serving`, which refuses experts of attention. */
  readonly use?: ShardUse;
}

/** Checks and decodes a whole file. Every malformation throws a `CallerError` of its own code, and nothing is kept. */
export async function readShardFile(bytes: Uint8Array, expected: ShardExpectations = {}): Promise<ShardFile> {
  const { config, ...identity } = expected;
  const checked = await checkShardBytes(bytes, identity);
  if (config !== undefined) checkSizes(checked, config);
  const { header, experts, hiddenSize } = checked;
  const decode = (name: string): Float32Array | undefined => {
    const entry = header.tensors.get(name);
    if (entry === undefined) return undefined;
    const { dataOffset } = header;
    const values = decodeFloats(bytes.subarray(dataOffset + entry.begin, dataOffset + entry.end), entry);
    if (!values.every(Number.isFinite)) {
      throw new CallerError(
        'shard_not_finite',
        `Tensor ${name} holds NaN or infinity; train the shard again.`,
      );
    }
    return values;
  };
  const layers = Array.from({ length: checked.layers }, (_, layer) => readLayer(layer, decode));
  return { metadata: checked.metadata, experts, hiddenSize, layers };
}

/** A whole file with its hash. Throws where a value is not finite in the type it is written in. */
export async function writeShardFile(shard: ShardToWrite, type: FloatType = 'F16'): Promise<Uint8Array> {
  const { experts, hiddenSize } = shard;
  const { rank } = shard.metadata;
  const tensors: TensorToWrite[] = [];
  for (const [index, layer] of shard.layers.entries()) {
    const prefix = `layers.${index}.`;
    for (const [part, values] of routersOf(layer)) {
      if (values) tensors.push({ name: routerName(index, part), type, shape: [experts, hiddenSize], values });
    }
    for (const linear of ADAPTED_LINEARS) {
      const halves = layer.linears[linear];
      if (halves === undefined) continue;
      const { A, B } = halves;
      const shapeA = [experts, rank, A.length / (experts * rank)];
      const shapeB = [experts, B.length / (experts * rank), rank];
      tensors.push({ name: `${prefix}${linear}.lora_A`, type, shape: shapeA, values: A });
      tensors.push({ name: `${prefix}${linear}.lora_B`, type, shape: shapeB, values: B });
    }
  }
  const tensorsSha256 = await sha256Hex(safetensorsData(tensors));
  const file = writeSafetensors(tensors, encodeShardMetadata({ ...shard.metadata, tensorsSha256 }));
  // Reading it back is cheap and holds the writer to all that readers demand, rounding to infinity included.
  await readShardFile(file, { use: 'training' });
  return file;
}

function readLayer(index: number, decode: (name: string) => Float32Array | undefined): ShardLayer {
  const prefix = `layers.${index}.`;
  const router = decode(routerName(index, 'ffn'));
  const attentionRouter = decode(routerName(index, 'attention'));
  invariant(router ?? attentionRouter, 'the layout check found every router');
  const linears: Partial<Record<AdaptedLinear, ShardLinear>> = {};
  for (const linear of ADAPTED_LINEARS) {
    const A = decode(`${prefix}${linear}.lora_A`);
    const B = decode(`${prefix}${linear}.lora_B`);
    if (A !== undefined && B !== undefined) linears[linear] = { A, B };
  }
  return { router, attentionRouter, linears };
}

function routersOf({ router, attentionRouter }: ShardLayer): [ExpertPart, Float32Array | undefined][] {
  return [
    ['ffn', router],
    ['attention', attentionRouter],
  ];
}

function checkSizes(layout: ShardLayout, config: ModelConfig): void {
  const sizes: [string, number, number | undefined][] = [
    ['layers', config.layers, layout.layers],
    ['channels', config.hiddenSize, layout.hiddenSize],
    ['feed-forward channels', config.intermediateSize, layout.intermediateSize],
    ['query channels', config.heads * config.headSize, layout.querySize],
    ['key channels', config.keyValueHeads * config.headSize, layout.keyValueSize],
  ];
  for (const [name, base, shard] of sizes) {
    if (shard === undefined || shard === base) continue;
    const message = `The shard has ${shard} ${name}, the base has ${base}: it was trained for another base.`;
    throw new CallerError('shard_other_base', message);
  }
}
