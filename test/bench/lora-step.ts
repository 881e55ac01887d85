/** The LoRA step that `train.ts` measures: our trainer on the `wasm` device, random weights, random tokens. */
import { createRandom } from '../../src/base/random.ts';
import type { Dispatch } from '../../src/tensor/device.ts';
import { elements, writeTensor, type Arena } from '../../src/tensor/tensors.ts';
import type { WasmDevice } from '../../src/tensor/wasm/wasm-device.ts';
import { createWasmDevice } from '../../src/tensor/wasm/node.ts';
import { batchRoutes, poolShape } from '../../src/train/shard-routes.ts';
import { Trainer, type Batch } from '../../src/train/trainer.ts';

export const SHAPE = {
  layers: 8,
  hiddenSize: 256,
  heads: 4,
  keyValueHeads: 2,
  headSize: 64,
  intermediateSize: 768,
  vocabularySize: 8192,
  rank: 16,
  rowLength: 256,
  rows: 8,
} as const;

export const TOKENS = SHAPE.rows * SHAPE.rowLength;

/** Seconds of one step; CPU seconds are those of all threads of the process. */
export interface StepTime {
  readonly wall: number;
  readonly cpu: number;
  readonly loss: number;
}

export interface LoraStep {
  readonly device: WasmDevice;
  /** What a step submits, in order. */
  readonly dispatches: readonly Dispatch[];
  readonly step: () => Promise<StepTime>;
}

export async function createLoraStep(threads: number): Promise<LoraStep> {
  const device = await createWasmDevice({ threads });
  const pool = { shards: 1, experts: 1, topK: 1 };
  const experts = poolShape(pool, SHAPE.rank, SHAPE.rows);
  const trainer = new Trainer(device, {
    config: {
      ...SHAPE,
      rmsNormEpsilon: 1e-6,
      ropeTheta: 1e6,
      tiedHead: true,
      maxPositions: 2048,
      eosTokens: [],
    },
    batch: { B: SHAPE.rows, T: SHAPE.rowLength },
    trainBase: false,
    experts,
    adamw: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01, maxNorm: 1 },
    schedule: { peak: 1e-3, warmupSteps: 1, totalSteps: 1000, floor: 1 },
  });
  await trainer.prepare();
  const { network } = trainer;
  await randomise(device, network.frozen!, 1);
  await randomise(device, network.trained, 2);
  await writeTensor(device, network.scales!, Float32Array.of(2));
  const active = Array.from({ length: SHAPE.rows }, () => ({ shards: [0], priors: [1] }));
  const batch = { ...randomTokens(3), routes: batchRoutes(active, SHAPE.rowLength, pool, experts) };
  const dispatches = [
    ...network.trainingForward,
    ...network.lossOnly,
    ...network.backward.main,
    ...trainer.optimizer.step(1, 1e-3),
  ];
  const step = async (): Promise<StepTime> => {
    const cpu = process.cpuUsage();
    const start = performance.now();
    const { loss } = await trainer.train(batch);
    const wall = (performance.now() - start) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    return { wall, cpu: (user + system) / 1e6, loss };
  };
  await step();
  return { device, dispatches, step };
}

/** Matrices as at the start of a training run; norms are ones. */
async function randomise(device: WasmDevice, arena: Arena, seed: number): Promise<void> {
  const random = createRandom(seed);
  for (const [name, tensor] of arena.tensors) {
    const scale = name.includes('embed') ? 0.02 : 1 / Math.sqrt(tensor.shape.at(-1)!);
    const values = Float32Array.from({ length: elements(tensor.shape) }, () =>
      tensor.shape.length === 1 ? 1 : random.normal() * scale,
    );
    await writeTensor(device, tensor, values);
  }
}

function randomTokens(seed: number): Batch {
  const random = createRandom(seed);
  const draw = () => Uint32Array.from({ length: TOKENS }, () => random.integer(SHAPE.vocabularySize));
  return {
    tokens: draw(),
    targets: draw(),
    positions: Uint32Array.from({ length: TOKENS }, (_, i) => i % SHAPE.rowLength),
    starts: new Uint32Array(TOKENS),
  };
}
