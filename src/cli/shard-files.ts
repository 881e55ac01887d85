/** The shard files of a folder, laid out as `<specialty>/<version>.safetensors`. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { CallerError } from '../base/errors.ts';
import { shardVersionSchema, specialtySchema } from '../base/shard-metadata.ts';

export interface ShardPath {
  readonly specialty: string;
  readonly version: string;
  readonly path: string;
}

const ending = '.safetensors';

/** Sorted by specialty, then version: `v2` before `v10`. A folder that is not there has none. */
export async function listShardFiles(folder: string): Promise<ShardPath[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  });
  const found: ShardPath[] = [];
  for (const specialty of entries.filter((entry) => entry.isDirectory()).map(({ name }) => name)) {
    for (const file of await readdir(join(folder, specialty))) {
      if (!file.endsWith(ending)) continue;
      const path = join(folder, specialty, file);
      const version = file.slice(0, -ending.length);
      if (!specialtySchema.safeParse(specialty).success || !shardVersionSchema.safeParse(version).success) {
        throw new CallerError(
          'bad_shard_path',
          `${path} is not named <specialty>/<version>${ending}: rename it.`,
        );
      }
      found.push({ specialty, version, path });
    }
  }
  return found.sort((a, b) => compareNames(a.specialty, b.specialty) || compareNames(a.version, b.version));
}

/** The last version of each specialty. */
export function newestOfEach(files: readonly ShardPath[]): ShardPath[] {
  return [...new Map(files.map((file) => [file.specialty, file])).values()];
}

/** The first version of each specialty. */
export function oldestOfEach(files: readonly ShardPath[]): ShardPath[] {
  return newestOfEach(files.toReversed()).toReversed();
}

function compareNames(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}
