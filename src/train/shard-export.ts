/** Trained experts out of the pool into shard files. */
import type { ShardMetadata } from '../base/shard-metadata.ts';
import type { ModelConfig } from '../model/config.ts';
import { ADAPTED, expertNames } from '../model/parameters.ts';
import { writeShardFile } from '../model/shard-file.ts';
import type { ShardLayer, ShardLinear } from '../model/shard-file.ts';
import type { Device } from '../tensor/device.ts';
import { readTensor } from '../tensor/tensors.ts';
import type { ShardsRunConfig } from './config.ts';
import type { Trainer } from './trainer.ts';

export interface ShardOrigin {
  readonly baseFingerprint: string;
  readonly created: Date;
  /** Identity of the run, from its folder. */
  readonly run: string;
  readonly licence: string;
}

/** Bytes of one shard file for each specialty of the run, F16. */
export async function exportShards(
  device: Device,
  trainer: Trainer,
  model: ModelConfig,
  config: ShardsRunConfig,
  origin: ShardOrigin,
): Promise<Map<string, Uint8Array>> {
  const values = new Map<string, Float32Array>();
  for (const [name, tensor] of trainer.network.trained.tensors) {
    values.set(name, await readTensor(device, tensor));
  }
  const files = new Map<string, Uint8Array>();
  for (const [index, specialty] of config.specialties.entries()) {
    const part = (name: string): Float32Array => {
      const all = values.get(name)!;
      const size = all.length / config.specialties.length;
      return all.subarray(index * size, (index + 1) * size);
    };
    const layers = Array.from({ length: model.layers }, (_, layer) => shardLayer(layer, part));
    const metadata: Omit<ShardMetadata, 'tensorsSha256'> = {
      specialty,
      version: config.version,
      baseFingerprint: origin.baseFingerprint,
      rank: config.rank,
      alpha: config.alpha,
      topK: config.topK,
      created: origin.created.toISOString(),
      trainingRun: origin.run,
      licence: origin.licence,
    };
    const shard = { metadata, experts: config.experts, hiddenSize: model.hiddenSize, layers };
    files.set(specialty, await writeShardFile(shard));
  }
  return files;
}

function shardLayer(layer: number, part: (name: string) => Float32Array): ShardLayer {
  const names = expertNames(layer);
  const linears = ADAPTED.map((linear): [string, ShardLinear] => [
    linear,
    { A: part(names.a(linear)), B: part(names.b(linear)) },
  ]);
  return { router: part(names.router), linears: Object.fromEntries(linears) };
}
