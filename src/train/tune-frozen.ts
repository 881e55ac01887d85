/** Finished shards that stand beside the trained ones of a run and stay as they are. */
import { CallerError } from '../base/errors.ts';
import type { ShardFile } from '../model/shard-file.ts';
import type { Device } from '../tensor/device.ts';
import type { TrainingNetwork } from './network/network.ts';
import type { TuneRunConfig } from './tune-config.ts';
import type { TunePool } from './tune-pool.ts';
import { loadShards } from './tune-weights.ts';

/** Into the slots after the trained ones. Throws `CallerError('frozen_shard_missing' | 'frozen_shard_differs')`. */
export async function loadFrozen(
  device: Device,
  network: TrainingNetwork,
  { method, shape, trainedSlots }: TunePool,
  { frozen = [] }: TuneRunConfig,
  files: ReadonlyMap<string, ShardFile> = new Map(),
): Promise<void> {
  const adapts = (linear: string): boolean => shape.adapted.some((one) => one === linear);
  const shards = frozen.map((name) => {
    const file = files.get(name);
    if (!file) {
      const message = `The run leaves ${name} as it is, but there is no shard of it: name the folder that has one.`;
      throw new CallerError('frozen_shard_missing', message, { param: name });
    }
    const { rank, topK } = file.metadata;
    if (file.experts !== method.experts || rank !== method.rank || topK !== method.topK) {
      const sizes = `${file.experts} experts of rank ${rank}, top ${topK}`;
      const message = `The shard of ${name} has ${sizes}; the run's method must have the same.`;
      throw new CallerError('frozen_shard_differs', message, { param: name });
    }
    const more = file.layers.flatMap(({ linears }) => Object.keys(linears)).find((linear) => !adapts(linear));
    if (more !== undefined) {
      const message = `The shard of ${name} adapts ${more}, the run does not: name it in the method's "adapted".`;
      throw new CallerError('frozen_shard_differs', message, { param: name });
    }
    return file;
  });
  if (shards.length > 0) await loadShards(device, network, shards, trainedSlots);
}
