/**
 * `npm run bench:queue`: what the expert memory queue saves against in-batch contrast with as many keys. Both train LoRA-MoE
 * on the same random base and tokens; steps are timed in turn, so that other work on the machine meets both alike. Memory is
 * what the device counts. Options: --steps (default 7), --threads (default 1).
 */
import { parseArgs } from 'node:util';
import { createRandom } from '../../src/base/random.ts';
import type { ModelConfig } from '../../src/model/config.ts';
import { elements, writeTensor } from '../../src/tensor/tensors.ts';
import type { Device } from '../../src/tensor/device.ts';
import { createWasmDevice } from '../../src/tensor/wasm/node.ts';
import type { ContrastOptions } from '../../src/train/contrast/options.ts';
import { batchRoutes, poolShape, type ShardPool } from '../../src/train/shard-routes.ts';
import { drawAnchors } from '../../src/train/tune-batches.ts';
import { Trainer, type Batch } from '../../src/train/trainer.ts';

const MODEL: ModelConfig = {
  hiddenSize: 256,
  layers: 6,
  heads: 4,
  keyValueHeads: 2,
  headSize: 64,
  intermediateSize: 768,
  vocabularySize: 8192,
  rmsNormEpsilon: 1e-6,
  ropeTheta: 10_000,
  tiedHead: true,
  maxPositions: 1024,
  eosTokens: [],
};
const BATCH = { B: 4, T: 512 };
const POOL: ShardPool = { shards: 1, experts: 8, topK: 2 };
const RANK = 8;
/** Tokens sampled as anchors with the queue; the keys are then 8 · K. */
const ANCHORS = 64;

interface Arm {
  readonly name: string;
  readonly keys: number;
  readonly bytes: number;
  readonly dispose: () => Promise<void>;
  /** Milliseconds. */
  readonly step: () => Promise<number>;
}

async function createArm(
  name: string,
  contrast: ContrastOptions | undefined,
  keys: number,
  threads: number,
): Promise<Arm> {
  const device = await createWasmDevice({ threads });
  const experts = poolShape(POOL, RANK, BATCH.B);
  const trainer = new Trainer(device, {
    config: MODEL,
    batch: BATCH,
    trainBase: false,
    experts,
    routing: { balance: 0, zLoss: 0, jitter: 0, contrast },
    adamw: { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0, maxNorm: 1 },
    schedule: { peak: 1e-4, warmupSteps: 1, totalSteps: 1000, floor: 1 },
  });
  await trainer.prepare();
  await fillRandomly(device, trainer);
  const batch = createBatch(contrast?.anchors ?? 0);
  await trainer.train(batch);
  return {
    name,
    keys,
    bytes: device.memory().peakBytes,
    dispose: () => device.dispose(),
    async step() {
      const start = performance.now();
      await trainer.train(batch);
      return performance.now() - start;
    },
  };
}

async function fillRandomly(device: Device, { network }: Trainer): Promise<void> {
  const random = createRandom(1);
  for (const { tensors } of [network.frozen!, network.trained]) {
    for (const tensor of tensors.values()) {
      const scale = 1 / Math.sqrt(tensor.shape.at(-1)!);
      const values = Float32Array.from(
        { length: elements(tensor.shape) },
        () => (2 * random.uniform() - 1) * scale,
      );
      await writeTensor(device, tensor, values);
    }
  }
  await writeTensor(device, network.scales!, new Float32Array(POOL.experts).fill(2));
}

function createBatch(anchors: number): Batch {
  const random = createRandom(2);
  const N = BATCH.B * BATCH.T;
  const tokens = Uint32Array.from({ length: N }, () => random.integer(MODEL.vocabularySize));
  const targets = Uint32Array.from({ length: N }, () => random.integer(MODEL.vocabularySize));
  const active = Array.from({ length: BATCH.B }, () => ({ shards: [0], priors: [1] }));
  return {
    tokens,
    targets,
    positions: Uint32Array.from({ length: N }, (_, i) => i % BATCH.T),
    starts: new Uint32Array(N),
    routes: batchRoutes(active, BATCH.T, POOL, poolShape(POOL, RANK, BATCH.B)),
    specialties: [0, 1, 2, 3],
    anchors: drawAnchors(targets, anchors, random),
  };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

const { values: options } = parseArgs({
  options: { steps: { type: 'string', default: '7' }, threads: { type: 'string', default: '1' } },
});
const threads = Number(options.threads);
const common = { temperature: 0.1, weight: 0.1, dimensions: 32, warmupSteps: 0 };
const queue = (queueSize: number) =>
  createArm(
    `queue, ${ANCHORS} tokens`,
    { ...common, variant: 'queue', queueSize, anchors: ANCHORS },
    POOL.experts * queueSize,
    threads,
  );
const inBatch = (keys: number) =>
  createArm(
    `in batch, ${keys / POOL.topK} tokens`,
    { ...common, variant: 'batch', queueSize: 1, anchors: keys / POOL.topK },
    keys,
    threads,
  );

const print = (line: string): void => void process.stdout.write(`${line}\n`);
print('| arm | keys | peak MiB | over none, MiB | step, of none |');
print('| --- | ---: | ---: | ---: | ---: |');
for (const keys of [512, 1024, 2048, 4096]) {
  const arms = [
    await createArm('none', undefined, 0, threads),
    await queue(keys / POOL.experts),
    await inBatch(keys),
  ];
  const times = arms.map((): number[] => []);
  for (let step = 0; step < Number(options.steps); step++) {
    for (const [index, arm] of arms.entries()) times[index]!.push(await arm.step());
  }
  for (const [index, { name, keys: count, bytes, dispose }] of arms.entries()) {
    const ratio = median(times[index]!) / median(times[0]!);
    const over = (bytes - arms[0]!.bytes) / 2 ** 20;
    print(
      `| ${name} | ${count} | ${(bytes / 2 ** 20).toFixed(1)} | ${over.toFixed(2)} | ${ratio.toFixed(3)} |`,
    );
    await dispose();
  }
}
