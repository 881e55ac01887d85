/** With what is asked of the gates, the gradient of the whole network is still that of its loss. */
import { describe, expect, test } from 'vitest';
import { ADAPTED_LINEARS, FFN_LINEARS, type AdaptedLinear } from '../../../src/base/shard-tensors.ts';
import type { Device } from '../../../src/tensor/device.ts';
import { createReferenceDevice } from '../../../src/tensor/reference/reference-device.ts';
import { readTensor, writeTensor } from '../../../src/tensor/tensors.ts';
import type { ContrastOptions } from '../../../src/train/contrast/options.ts';
import type { RoutingOptions } from '../../../src/train/network/context.ts';
import type { ActiveShards, ShardPool } from '../../../src/train/shard-routes.ts';
import type { Batch, Trainer } from '../../../src/train/trainer.ts';
import { doubleReader, worstOfAll } from '../../support/network-differences.ts';
import {
  POOL,
  expertTrainer,
  randomBatch,
  smallModel,
  withAnchors,
  withShards,
} from '../../support/tiny-trainer.ts';

const ANCHORS = 10;
const STILL = { schedule: { peak: 1e-30 } };
const SHARED: ShardPool = { shards: 1, experts: 4, topK: 2 };

const contrast = (variant: ContrastOptions['variant'], warmupSteps = 0): ContrastOptions => ({
  variant,
  temperature: 0.3,
  weight: 2,
  queueSize: 3,
  dimensions: 4,
  anchors: ANCHORS,
  warmupSteps,
});
const plain: RoutingOptions = { balance: 0, zLoss: 0, jitter: 0 };

/** Everything that training makes small, in double precision, on the queues that there are. */
async function lossOf(device: Device, trainer: Trainer): Promise<() => Promise<number>> {
  const { network } = trainer;
  const { balance, zLoss, contrast: options } = network.options.routing!;
  const routing = network.routing!;
  const text = doubleReader(device, network.loss.shape);
  const anchors = doubleReader(device, routing.contrast?.mixtures[0]!.loss.shape ?? [1]);
  const gates = doubleReader(device, routing.stats?.[0]!.shape ?? [1]);
  const kept = new Map<string, Float32Array>();
  for (const [name, tensor] of network.memories()) kept.set(name, await readTensor(device, tensor));
  const { slots, shardExperts } = network.options.experts!;
  const layers = network.mixtures.length;
  return async () => {
    for (const [name, tensor] of network.memories()) await writeTensor(device, tensor, kept.get(name)!);
    await device.submit([...network.trainingForward, ...network.lossOnly, ...network.backward.main]);
    let total = (await text(network.loss)).reduce((sum, value) => sum + value, 0);
    for (const { loss, weights } of routing.contrast?.mixtures ?? []) {
      const [each, g] = [await anchors(loss), await anchors(weights)];
      const sum = each.reduce((all, value, m) => all + value * g[m]!, 0);
      total += (options!.weight / layers / ANCHORS) * sum;
    }
    for (const tensor of routing.stats ?? []) {
      const stats = await gates(tensor);
      for (let first = 0; first < slots; first += shardExperts) {
        const rows = Array.from({ length: shardExperts }, (_, e) => stats.slice((first + e) * 5));
        const chosen = rows.reduce((sum, row) => sum + row[0]!, 0);
        const tokens = rows[0]![2]!;
        if (tokens === 0) continue;
        const even = rows.reduce((sum, row) => sum + (row[0]! / chosen) * (row[1]! / tokens), 0);
        total += (balance * shardExperts * even + (zLoss * rows[0]![3]!) / tokens) / layers;
      }
    }
    return total;
  };
}

const several: ActiveShards[] = [
  { shards: [1], priors: [1] },
  { shards: [0, 2], priors: [5 / 8, 3 / 8] },
  { shards: [2, 1, 0], priors: [4 / 8, 2 / 8, 2 / 8] },
];
const shared: ActiveShards[] = several.map(() => ({ shards: [0], priors: [1] }));

function batchOf(seed: number, pool: ShardPool): Batch {
  const rows = pool === SHARED ? shared : several;
  return withAnchors(withShards(randomBatch(seed, 0.8), rows, { pool }), ANCHORS, seed);
}

/** Two steps that fill the queues with what a float32 holds, then the gradients of a third. */
async function prepared(
  device: Device,
  routing: RoutingOptions,
  pool: ShardPool,
  adapted: readonly AdaptedLinear[] = FFN_LINEARS,
): Promise<Trainer> {
  const trainer = await expertTrainer(device, await smallModel(), { ...STILL, pool, routing, adapted });
  for (const seed of [41, 42]) await trainer.train(batchOf(seed, pool));
  const { network } = trainer;
  for (const tensor of network.memories().values()) {
    await writeTensor(device, tensor, await readTensor(device, tensor));
  }
  return trainer;
}

const kinds: [string, RoutingOptions, ShardPool, (readonly AdaptedLinear[])?][] = [
  ['contrast in the batch', { ...plain, contrast: contrast('batch') }, POOL],
  ['contrast in the batch, a shared pool', { ...plain, contrast: contrast('batch') }, SHARED],
  ['contrast with the queue', { ...plain, contrast: contrast('queue') }, POOL],
  ['contrast of whole outputs', { ...plain, contrast: contrast('full', 0) }, SHARED],
  ['contrast of routing', { ...plain, contrast: contrast('routing') }, SHARED],
  ['contrast of constants', { ...plain, contrast: contrast('constant') }, SHARED],
  ['balance', { ...plain, balance: 0.5 }, POOL],
  ['z-loss', { ...plain, zLoss: 0.5 }, POOL],
  ['jitter', { ...plain, jitter: 0.3 }, POOL],
  ['everything', { balance: 0.3, zLoss: 0.2, jitter: 0.2, contrast: contrast('queue') }, POOL],
  ['contrast of an expert in one linear', { ...plain, contrast: contrast('queue') }, POOL, ['up_proj']],
  ['contrast on attention', { ...plain, contrast: contrast('batch') }, SHARED, ['q_proj', 'v_proj']],
  ['contrast of routing on attention', { ...plain, contrast: contrast('routing') }, SHARED, ['o_proj']],
  [
    'contrast of whole outputs everywhere',
    { ...plain, contrast: contrast('full', 0) },
    SHARED,
    ADAPTED_LINEARS,
  ],
  [
    'everything, everywhere',
    { balance: 0.3, zLoss: 0.2, jitter: 0.2, contrast: contrast('queue') },
    POOL,
    ADAPTED_LINEARS,
  ],
];

describe('the gradient is that of the loss', () => {
  test.each(kinds)('%s', async (_title, routing, pool, adapted) => {
    const device = createReferenceDevice({ precision: 'f64' });
    const trainer = await prepared(device, routing, pool, adapted);
    const loss = await lossOf(device, trainer);
    await trainer.train(batchOf(43, pool));
    const found = await worstOfAll(device, trainer, loss);
    for (const [name, { worst, largest }] of found) {
      expect(worst, name).toBeLessThan(1e-5);
      // Before its warm-up is over, `full` has projectors that wait.
      const waits = routing.contrast?.variant === 'full' && name.endsWith('.projector');
      if (!waits) expect(largest, name).toBeGreaterThan(1e-5);
    }
  });
});
