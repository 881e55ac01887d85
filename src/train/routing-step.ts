/** What the gates' extras need of a step before it, and tell after it. */
import { invariant } from '../base/invariant.ts';
import type { Device } from '../tensor/device.ts';
import { elements, readTensor, writeTensor } from '../tensor/tensors.ts';
import { contrastScale, emptyQueues, writeAnchors } from './contrast/tensors.ts';
import type { ContrastTensors } from './contrast/tensors.ts';
import type { ContrastPhase } from './contrast/layer-contrast.ts';
import type { TrainingNetwork } from './network/network.ts';
import type { Batch } from './trainer.ts';

/** Losses beside that of the text, without their weights; each is there where the run has it. */
export interface RoutingLosses {
  /** Σ g ℓ over a mixture's anchors, a mean over mixtures and anchor tokens, nats. */
  readonly contrast?: number;
  /** E · Σ f P, a mean over mixtures and shards; 1 where experts share evenly. */
  readonly balance?: number;
  /** Squared logsumexp of a gate's logits, a mean over mixtures and shards. */
  readonly zLoss?: number;
}

const GOLDEN = 0x9e3779b9;

/** `step` counts the steps done. Empties the queues where `full` goes over to other embeddings. */
export async function loadRouting(
  device: Device,
  network: TrainingNetwork,
  batch: Batch,
  step: number,
): Promise<ContrastPhase> {
  const { jitter, contrast } = network.routing ?? { jitter: null, contrast: null };
  if (jitter) {
    const { noise } = batch;
    invariant(noise !== undefined, 'a jittered gate needs noise');
    for (const [layer, seed] of jitter.seeds.entries()) {
      await writeTensor(device, seed, Uint32Array.of(noise + Math.imul(layer, GOLDEN)));
    }
  }
  if (!contrast) return 'main';
  const { anchors, specialties } = batch;
  invariant(anchors && specialties, 'a contrastive loss needs anchors and their specialties');
  invariant(anchors.length === contrast.options.anchors, 'as many anchors as the network is made for');
  const { T } = network.options.batch;
  await writeAnchors(device, contrast, anchors, {
    topK: network.options.experts!.topK,
    specialtyOf: (token) => specialties[Math.floor(token / T)]!,
  });
  const { variant, warmupSteps } = contrast.options;
  if (variant !== 'full' || step >= warmupSteps) {
    if (variant === 'full' && step === warmupSteps) await emptyQueues(device, contrast);
    return 'main';
  }
  return 'warm';
}

export async function readRoutingLosses(device: Device, network: TrainingNetwork): Promise<RoutingLosses> {
  const { contrast, stats } = network.routing ?? { contrast: null, stats: null };
  return {
    ...(contrast ? { contrast: await contrastLoss(device, contrast) } : {}),
    ...(stats ? await gateLosses(device, network, stats) : {}),
  };
}

async function contrastLoss(device: Device, contrast: ContrastTensors): Promise<number> {
  const losses = await readTensor(device, contrast.losses.whole);
  const weights = await readTensor(device, contrast.weights.whole);
  const sum = losses.reduce((total, loss, i) => total + loss * weights[i]!, 0);
  return sum * contrastScale({ ...contrast.options, weight: 1 }, contrast.mixtures.length);
}

async function gateLosses(
  device: Device,
  { options }: TrainingNetwork,
  layers: NonNullable<NonNullable<TrainingNetwork['routing']>['stats']>,
): Promise<RoutingLosses> {
  let [balance, zLoss, count] = [0, 0, 0];
  const { slots, shardExperts } = options.experts!;
  for (const tensor of layers) {
    invariant(elements(tensor.shape) === slots * 5, 'five statistics of a slot');
    const stats = await readTensor(device, tensor);
    for (let first = 0; first < slots; first += shardExperts) {
      const shard = Array.from({ length: shardExperts }, (_, e) => stats.subarray((first + e) * 5));
      const tokens = shard[0]![2]!;
      const chosen = shard.reduce((sum, [times = 0]) => sum + times, 0);
      if (tokens === 0) continue;
      const shares = shard.map(([times = 0, sum = 0]) => (times / Math.max(1, chosen)) * (sum / tokens));
      balance += shardExperts * shares.reduce((sum, share) => sum + share, 0);
      zLoss += shard[0]![3]! / tokens;
      count++;
    }
  }
  return { balance: balance / Math.max(1, count), zLoss: zLoss / Math.max(1, count) };
}
