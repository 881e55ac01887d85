/**
 * Small random Qwen3 checkpoints and shards, made in memory from a seed. Weights are scaled so that activations and
 * logits stay near 1 through every layer and experts change the outcome about as much as the base does: an error in any
 * part moves the logits.
 */
import { FFN_LINEARS, type AdaptedLinear } from '../../src/base/shard-tensors.ts';
import { createRandom, type Random } from '../../src/base/random.ts';
import { memoryFiles, type FileSource } from '../../src/model/byte-source.ts';
import {
  checkpointShapes,
  encodeCheckpoint,
  openCheckpoint,
  type Checkpoint,
} from '../../src/model/checkpoint.ts';
import type { ModelConfig } from '../../src/model/config.ts';
import { fingerprint } from '../../src/model/fingerprint.ts';
import type { FloatType } from '../../src/model/safetensors.ts';
import {
  readShardFile,
  writeShardFile,
  type ShardFile,
  type ShardLayer,
} from '../../src/model/shard-file.ts';

export interface TinyModel {
  readonly config: ModelConfig;
  /** As the checkpoint stores them, widened. */
  readonly tensors: ReadonlyMap<string, Float32Array>;
  readonly files: FileSource;
  readonly fileBytes: Readonly<Record<string, Uint8Array>>;
  readonly checkpoint: Checkpoint;
  readonly fingerprint: string;
}

export const tinyConfig: ModelConfig = {
  hiddenSize: 64,
  layers: 3,
  heads: 4,
  keyValueHeads: 2,
  headSize: 16,
  intermediateSize: 96,
  vocabularySize: 256,
  rmsNormEpsilon: 1e-6,
  ropeTheta: 10_000,
  tiedHead: true,
  maxPositions: 512,
  eosTokens: [1],
};

export async function tinyModel(
  sizes: Partial<ModelConfig> = {},
  { seed = 1, type = 'F32' }: { seed?: number; type?: FloatType } = {},
): Promise<TinyModel> {
  const config = { ...tinyConfig, ...sizes };
  const random = createRandom(seed);
  const values = new Map<string, Float32Array>();
  for (const [name, shape] of checkpointShapes(config)) values.set(name, randomTensor(random, name, shape));
  const fileBytes = encodeCheckpoint(config, values, type);
  const files = memoryFiles(fileBytes);
  const checkpoint = await openCheckpoint(files);
  const tensors = new Map<string, Float32Array>();
  for (const name of checkpoint.names) tensors.set(name, await checkpoint.tensor(name));
  return { config, tensors, files, fileBytes, checkpoint, fingerprint: await fingerprint(checkpoint) };
}

export interface TinyShardOptions {
  readonly specialty?: string;
  readonly version?: string;
  readonly created?: string;
  readonly experts?: number;
  readonly rank?: number;
  readonly alpha?: number;
  readonly topK?: number;
  readonly linears?: readonly AdaptedLinear[];
  readonly seed?: number;
  readonly type?: FloatType;
}

/** A random shard for a model, as the bytes of its file. */
export async function tinyShardBytes(model: TinyModel, options: TinyShardOptions = {}): Promise<Uint8Array> {
  const { experts = 4, rank = 4, alpha = 8, topK = 2, linears = FFN_LINEARS, seed = 7 } = options;
  const { hiddenSize, intermediateSize, layers } = model.config;
  const random = createRandom(seed);
  const normal = (length: number, scale: number) =>
    Float32Array.from({ length }, () => random.normal() * scale);
  const layer = (): ShardLayer => {
    const sizesOf = (linear: AdaptedLinear) =>
      linear === 'down_proj' ? [intermediateSize, hiddenSize] : [hiddenSize, intermediateSize];
    const pairs = linears.map((linear) => {
      const [input = 0, output = 0] = sizesOf(linear);
      const A = normal(experts * rank * input, 1 / Math.sqrt(input));
      const B = normal(experts * output * rank, rank / alpha / Math.sqrt(rank));
      return [linear, { A, B }] as const;
    });
    const router = normal(experts * hiddenSize, 2 / Math.sqrt(hiddenSize));
    return { router, linears: Object.fromEntries(pairs) };
  };
  return writeShardFile(
    {
      metadata: {
        specialty: options.specialty ?? 'cardiovascular',
        version: options.version ?? '1.0.0',
        baseFingerprint: model.fingerprint,
        rank,
        alpha,
        topK,
        created: options.created ?? '2025-01-01T00:00:00Z',
        trainingRun: `random numbers, seed ${seed}`,
        licence: 'Apache-2.0',
      },
      experts,
      hiddenSize,
      layers: Array.from({ length: layers }, layer),
    },
    options.type ?? 'F32',
  );
}

export async function tinyShard(model: TinyModel, options: TinyShardOptions = {}): Promise<ShardFile> {
  return readShardFile(await tinyShardBytes(model, options));
}

/** Random token ids. */
export function tinyTokens(model: TinyModel, length: number, seed = 3): Uint32Array {
  const random = createRandom(seed);
  return Uint32Array.from({ length }, () => random.integer(model.config.vocabularySize));
}

function randomTensor(random: Random, name: string, shape: readonly number[]): Float32Array {
  const length = shape.reduce((product, size) => product * size, 1);
  if (name.endsWith('norm.weight')) return Float32Array.from({ length }, () => 1 + 0.2 * random.normal());
  const scale = 1 / Math.sqrt(shape[1] ?? 1);
  return Float32Array.from({ length }, () => random.normal() * scale);
}
