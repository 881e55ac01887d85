/**
 * Qwen3 models of random numbers in the sizes of released ones, and shards for them, without a file: all tensors are parts
 * of one block that repeats, so that making one takes no longer than copying it.
 */
import { FFN_LINEARS } from '../../../src/base/shard-tensors.ts';
import { createRandom } from '../../../src/base/random.ts';
import { checkpointShapes, type Checkpoint } from '../../../src/model/checkpoint.ts';
import type { ModelConfig } from '../../../src/model/config.ts';
import type { ShardFile, ShardLayer } from '../../../src/model/shard-file.ts';
import { elements } from '../../../src/tensor/tensors.ts';

const QWEN3 = {
  vocabularySize: 151_936,
  headSize: 128,
  keyValueHeads: 8,
  rmsNormEpsilon: 1e-6,
  ropeTheta: 1_000_000,
  tiedHead: true,
  maxPositions: 4096,
  eosTokens: [],
} as const;

/** Sizes of Qwen3-0.6B and Qwen3-4B; `tiny` rehearses on a software GPU. */
export const MODELS: Readonly<Record<string, ModelConfig>> = {
  '0.6b': { ...QWEN3, hiddenSize: 1024, layers: 28, heads: 16, intermediateSize: 3072 },
  '4b': { ...QWEN3, hiddenSize: 2560, layers: 36, heads: 32, intermediateSize: 9728 },
  tiny: {
    ...QWEN3,
    hiddenSize: 64,
    layers: 2,
    heads: 4,
    keyValueHeads: 2,
    headSize: 16,
    intermediateSize: 96,
    vocabularySize: 256,
    maxPositions: 512,
  },
};

/** Of the shards in every measurement: 8 experts a layer on the three linears of the FFN, two a token. */
export const SHARD = { experts: 8, topK: 2, rank: 16, alpha: 32 } as const;

const BLOCK = 1 << 16;

/** Normal numbers of standard deviation 0.02, repeated. */
function randomValues(length: number, seed: number): Float32Array<ArrayBuffer> {
  const random = createRandom(seed);
  const values = new Float32Array(length);
  const block = Math.min(BLOCK, length);
  for (let i = 0; i < block; i++) values[i] = 0.02 * random.normal();
  for (let filled = block; filled < length; filled *= 2) {
    values.copyWithin(filled, 0, Math.min(filled, length - filled));
  }
  return values;
}

export function randomCheckpoint(config: ModelConfig, seed = 1): Checkpoint {
  const shapes = checkpointShapes(config);
  const sizes = new Map([...shapes].map(([name, shape]) => [name, elements(shape)]));
  const values = randomValues(Math.max(...sizes.values()), seed);
  const tensor = async (name: string): Promise<Float32Array> => {
    const part = values.subarray(0, sizes.get(name));
    return name.includes('norm') ? part.map((value) => 1 + value) : part;
  };
  return {
    config,
    names: [...shapes.keys()],
    tensor,
    stored: async (name) => {
      const { buffer, byteOffset, byteLength } = await tensor(name);
      return { type: 'F32', bytes: new Uint8Array(buffer, byteOffset, byteLength) };
    },
  };
}

export function randomShard(config: ModelConfig, specialty: string, seed = 2): ShardFile {
  const { hiddenSize: C, intermediateSize: F, layers } = config;
  const { experts: E, rank: R, topK, alpha } = SHARD;
  const values = randomValues(E * R * Math.max(C, F), seed);
  const linears = FFN_LINEARS.map((linear) => {
    const [input, output] = linear === 'down_proj' ? [F, C] : [C, F];
    return [linear, { A: values.subarray(0, E * R * input), B: values.subarray(0, E * output * R) }] as const;
  });
  const layer: ShardLayer = {
    router: randomValues(E * C, seed + 1),
    linears: Object.fromEntries(linears),
  };
  return {
    metadata: {
      specialty,
      version: '1',
      baseFingerprint: '0'.repeat(64),
      rank: R,
      alpha,
      topK,
      created: '2026-01-01T00:00:00Z',
      trainingRun: `random numbers, seed ${seed}`,
      licence: 'Apache-2.0',
      tensorsSha256: '0'.repeat(64),
    },
    experts: E,
    hiddenSize: C,
    layers: Array.from({ length: layers }, () => layer),
  };
}
