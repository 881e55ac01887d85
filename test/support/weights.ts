/** Folders of weights for tests that run whole processes: a random base with the shipped tokenizer, and its shards. */
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tinyModel, tinyShardBytes, type TinyModel } from './tiny-model.ts';

export interface TestWeights {
  readonly model: string;
  readonly shards: string;
  readonly base: TinyModel;
}

const shipped = join(import.meta.dirname, '..', '..', 'weights', 'base');

/** Versions of each specialty, with the seed of its random experts. */
const testShards = [
  { specialty: 'cardiovascular', version: 'v1', seed: 11 },
  { specialty: 'cardiovascular', version: 'v2', seed: 12 },
  { specialty: 'digestive', version: 'v1', seed: 13 },
  { specialty: 'pediatrics', version: 'v1', seed: 14 },
] as const;

export async function writeTestWeights(folder: string): Promise<TestWeights> {
  const model = join(folder, 'base');
  const shards = join(folder, 'shards');
  const base = await tinyModel({ vocabularySize: 8192, maxPositions: 2048 }, { type: 'F16' });
  await mkdir(model, { recursive: true });
  for (const [name, bytes] of Object.entries(base.fileBytes)) await writeFile(join(model, name), bytes);
  for (const name of ['tokenizer.json', 'tokenizer_config.json']) {
    await copyFile(join(shipped, name), join(model, name));
  }
  for (const { specialty, version, seed } of testShards) {
    await mkdir(join(shards, specialty), { recursive: true });
    const bytes = await tinyShardBytes(base, { specialty, version, seed, type: 'F16' });
    await writeFile(join(shards, specialty, `${version}.safetensors`), bytes);
  }
  return { model, shards, base };
}
