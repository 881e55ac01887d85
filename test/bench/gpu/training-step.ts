/** Training steps whose dispatches the bench measures: of a base, and of a shard's experts with all their losses. */
import { createRandom } from '../../../src/base/random.ts';
import type { ModelConfig } from '../../../src/model/config.ts';
import { NONE } from '../../../src/tensor/device.ts';
import { elements, writeTensor, type Arena } from '../../../src/tensor/tensors.ts';
import { batchRoutes, poolShape } from '../../../src/train/shard-routes.ts';
import { Trainer, type Batch } from '../../../src/train/trainer.ts';
import { SHARD } from './random-model.ts';
import type { Traffic, WatchedGpu } from './watched-gpu.ts';

export interface TrainingSizes {
  readonly config: ModelConfig;
  readonly rows: number;
  readonly rowLength: number;
}

/** What the product trains: a base of 8 × 256 channels, 8 rows of 256 tokens. */
export const TRAINING: TrainingSizes = {
  config: {
    hiddenSize: 256,
    layers: 8,
    heads: 4,
    keyValueHeads: 2,
    headSize: 64,
    intermediateSize: 768,
    vocabularySize: 8192,
    rmsNormEpsilon: 1e-6,
    ropeTheta: 10_000,
    tiedHead: true,
    maxPositions: 2048,
    eosTokens: [],
  },
  rows: 8,
  rowLength: 256,
};

/** Runs one step; returns what it submitted. */
export async function trainOnce(
  watched: WatchedGpu,
  { config, rows, rowLength }: TrainingSizes,
  what: 'base' | 'experts',
): Promise<Traffic> {
  const { device, take } = watched;
  const pool = { shards: 1, experts: SHARD.experts, topK: SHARD.topK };
  const experts = poolShape(pool, SHARD.rank, rows);
  const contrast = {
    variant: 'queue',
    temperature: 0.1,
    weight: 0.1,
    dimensions: 32,
    warmupSteps: 0,
    queueSize: 64,
    anchors: 64,
  } as const;
  const trainer = new Trainer(device, {
    config,
    batch: { B: rows, T: rowLength },
    trainBase: what === 'base',
    experts: what === 'experts' ? experts : null,
    ...(what === 'experts' ? { routing: { balance: 0.01, zLoss: 0.001, jitter: 0.01, contrast } } : {}),
    adamw: { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.01, maxNorm: 1 },
    schedule: { peak: 1e-4, warmupSteps: 1, totalSteps: 1000, floor: 1 },
  });
  await trainer.prepare();
  const { network } = trainer;
  for (const arena of [network.frozen, network.trained]) if (arena) await randomise(watched, arena);
  if (network.scales) await writeTensor(device, network.scales, new Float32Array(pool.experts).fill(2));
  const active = Array.from({ length: rows }, () => ({ shards: [0], priors: [1] }));
  const batch = randomBatch(config, rows, rowLength);
  const routed = {
    routes: batchRoutes(active, rowLength, pool, experts),
    specialties: active.map((_, row) => row),
  };
  const anchors = Uint32Array.from({ length: contrast.anchors }, (_, i) => (i < rows * rowLength ? i : NONE));
  take();
  await trainer.train(what === 'experts' ? { ...batch, ...routed, anchors, noise: 1 } : batch);
  return take();
}

async function randomise({ device }: WatchedGpu, arena: Arena): Promise<void> {
  const random = createRandom(1);
  for (const tensor of arena.tensors.values()) {
    const scale = 1 / Math.sqrt(tensor.shape.at(-1)!);
    const isNorm = tensor.shape.length === 1;
    const values = Float32Array.from({ length: elements(tensor.shape) }, () =>
      isNorm ? 1 : (2 * random.uniform() - 1) * scale,
    );
    await writeTensor(device, tensor, values);
  }
}

function randomBatch(config: ModelConfig, rows: number, rowLength: number): Batch {
  const random = createRandom(2);
  const count = rows * rowLength;
  const draw = () => Uint32Array.from({ length: count }, () => random.integer(config.vocabularySize));
  return {
    tokens: draw(),
    targets: draw(),
    positions: Uint32Array.from({ length: count }, (_, i) => i % rowLength),
    starts: new Uint32Array(count),
  };
}
