/** What a fine-tuning run has made, as files: shards of experts, or a checkpoint. */
import type { ShardMetadata } from '../base/shard-metadata.ts';
import type { ExpertPart } from '../base/shard-tensors.ts';
import type { Adapted } from '../model/parameters.ts';
import { encodeCheckpoint } from '../model/checkpoint.ts';
import { expertNames, linearsOf } from '../model/parameters.ts';
import { writeShardFile } from '../model/shard-file.ts';
import type { ShardLayer, ShardLinear } from '../model/shard-file.ts';
import type { ModelConfig } from '../model/config.ts';
import type { Device } from '../tensor/device.ts';
import { readTensor } from '../tensor/tensors.ts';
import type { Trainer } from './trainer.ts';
import type { TuneRunConfig } from './tune-config.ts';
import { tunePool } from './tune-pool.ts';
import type { TunePool } from './tune-pool.ts';

export interface ShardOrigin {
  readonly baseFingerprint: string;
  readonly created: Date;
  /** Identity of the run, from its folder. */
  readonly run: string;
  readonly licence: string;
}

/**
 * F16 files by their paths: `<specialty>/<version>.safetensors` for each trained shard (a shared pool is the one of the
 * specialty `shared`), or `config.json` and `model.safetensors` where the base itself was trained.
 */
export async function exportTuned(
  device: Device,
  { trainer, model, config }: { trainer: Trainer; model: ModelConfig; config: TuneRunConfig },
  origin: ShardOrigin,
): Promise<Map<string, Uint8Array>> {
  const values = new Map<string, Float32Array>();
  for (const [name, tensor] of trainer.network.trained.tensors) {
    values.set(name, await readTensor(device, tensor));
  }
  const pool = tunePool(config);
  if (!pool) return new Map(Object.entries(encodeCheckpoint(model, values, 'F16')));
  const files = new Map<string, Uint8Array>();
  for (const [index, specialty] of pool.names.entries()) {
    const shard = await encodeShard(values, pool, index, model, { ...origin, version: config.version });
    files.set(`${specialty}/${config.version}.safetensors`, shard);
  }
  return files;
}

async function encodeShard(
  values: ReadonlyMap<string, Float32Array>,
  { pool, shape, method, names }: TunePool,
  index: number,
  model: ModelConfig,
  origin: ShardOrigin & { readonly version: string },
): Promise<Uint8Array> {
  const part = (name: string): Float32Array => {
    const all = values.get(name)!;
    const size = all.length / pool.shards;
    return all.subarray(index * size, (index + 1) * size);
  };
  const layers = Array.from({ length: model.layers }, (_, layer) => shardLayer(layer, shape.adapted, part));
  const metadata: Omit<ShardMetadata, 'tensorsSha256'> = {
    specialty: names[index]!,
    version: origin.version,
    baseFingerprint: origin.baseFingerprint,
    rank: method.rank,
    alpha: method.alpha,
    topK: method.topK,
    created: origin.created.toISOString(),
    trainingRun: origin.run,
    licence: origin.licence,
  };
  return writeShardFile({ metadata, experts: method.experts, hiddenSize: model.hiddenSize, layers });
}

function shardLayer(
  layer: number,
  adapted: readonly Adapted[],
  part: (name: string) => Float32Array,
): ShardLayer {
  const names = expertNames(layer);
  const router = (half: ExpertPart): Float32Array | undefined =>
    linearsOf(half, adapted).length > 0 ? part(names.router(half)) : undefined;
  const linears = adapted.map((linear): [string, ShardLinear] => [
    linear,
    { A: part(names.a(linear)), B: part(names.b(linear)) },
  ]);
  return {
    router: router('ffn'),
    attentionRouter: router('attention'),
    linears: Object.fromEntries(linears),
  };
}
