/** Values that the network of a fine-tuning run starts from: the checkpoint's, fresh experts, and shards of earlier runs. */
import { createRandom } from '../base/random.ts';
import { invariant } from '../base/invariant.ts';
import { ADAPTED_LINEARS } from '../base/shard-tensors.ts';
import type { Checkpoint } from '../model/checkpoint.ts';
import { expertNames } from '../model/parameters.ts';
import type { ShardFile } from '../model/shard-file.ts';
import type { Device } from '../tensor/device.ts';
import { elements, writeTensor } from '../tensor/tensors.ts';
import { initialExpertTensor } from './initialise.ts';
import type { TrainingNetwork } from './network/network.ts';

/** The base, frozen or to be trained. */
export async function loadBase(
  device: Device,
  network: TrainingNetwork,
  checkpoint: Checkpoint,
): Promise<void> {
  for (const [name, tensor] of (network.frozen ?? network.trained).tensors) {
    await writeTensor(device, tensor, await checkpoint.tensor(name));
  }
}

/** Fresh experts, gates and projectors. */
export async function initialiseExperts(
  device: Device,
  network: TrainingNetwork,
  { seed, scale }: { readonly seed: number; readonly scale: number },
): Promise<void> {
  const random = createRandom(seed);
  for (const [name, tensor] of network.trained.tensors) {
    await writeTensor(device, tensor, initialExpertTensor(name, tensor.shape, random));
  }
  if (network.scales) {
    await writeTensor(device, network.scales, new Float32Array(network.scales.shape[0]!).fill(scale));
  }
}

/**
 * Shards, which agree in experts and rank, one after another into the slots from `firstSlot` on. What a shard lacks is 0, so
 * that it contributes nothing.
 */
export async function loadShards(
  device: Device,
  network: TrainingNetwork,
  shards: readonly ShardFile[],
  firstSlot = 0,
): Promise<void> {
  const { scales } = network;
  invariant(scales, 'only a network with experts takes shards');
  const slots = scales.shape[0]!;
  for (let layer = 0; layer < network.layers.length; layer++) {
    const names = expertNames(layer);
    await load(names.router('ffn'), (shard) => shard.layers[layer]?.router);
    await load(names.router('attention'), (shard) => shard.layers[layer]?.attentionRouter);
    for (const linear of ADAPTED_LINEARS) {
      await load(names.a(linear), (shard) => shard.layers[layer]?.linears[linear]?.A);
      await load(names.b(linear), (shard) => shard.layers[layer]?.linears[linear]?.B);
    }
  }
  let slot = firstSlot;
  for (const { experts, metadata } of shards) {
    const scale = new Float32Array(experts).fill(metadata.alpha / metadata.rank);
    await writeTensor(device, { ...scales, byteOffset: slot * 4, shape: [experts] }, scale);
    slot += experts;
  }

  async function load(name: string, values: (shard: ShardFile) => Float32Array | undefined): Promise<void> {
    const tensor = network.trained.tensors.get(name);
    if (!tensor) {
      invariant(!shards.some(values), `no tensor ${name} for what a shard has`);
      return;
    }
    const slotSize = elements(tensor.shape) / slots;
    let at = firstSlot;
    for (const shard of shards) {
      const part = values(shard) ?? new Float32Array(shard.experts * slotSize);
      const byteOffset = tensor.byteOffset + at * slotSize * 4;
      at += shard.experts;
      await writeTensor(device, { ...tensor, byteOffset, shape: [part.length] }, part);
    }
  }
}
