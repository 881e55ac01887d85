/** Puts the shards of a folder into the edge's registry, and activates the oldest version of each specialty. */
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { CallerError } from '../base/errors.ts';
import { sha256Hex } from '../base/sha256.ts';
import type { EdgeClient } from './edge-client.ts';
import { oldestOfEach, type ShardPath } from './shard-files.ts';

export interface Published {
  readonly pushed: number;
  readonly activated: number;
  /** Versions that the registry holds with other bytes; they stay as they are. */
  readonly conflicts: readonly ShardPath[];
}

const ACTIVATION_MS = 120_000;

/** What is there already stays: a version that somebody activated in the meantime, too. */
export async function publishShards(
  client: EdgeClient,
  files: readonly ShardPath[],
  onProgress: (done: number, total: number) => void = () => {},
): Promise<Published> {
  const known = new Map((await client.list()).data.map((entry) => [entry.specialty, entry]));
  const conflicts: ShardPath[] = [];
  let pushed = 0;
  for (const [index, file] of files.entries()) {
    const bytes = await readFile(file.path);
    const held = known.get(file.specialty)?.versions.find(({ version }) => version === file.version);
    if (held === undefined) {
      await client.push(file.specialty, file.version, bytes);
      pushed += 1;
    } else if (held.sha256 !== (await sha256Hex(bytes))) {
      conflicts.push(file);
    }
    onProgress(index + 1, files.length);
  }
  const idle = oldestOfEach(files).filter(({ specialty }) => (known.get(specialty)?.active ?? null) === null);
  await Promise.all(idle.map(({ specialty, version }) => activate(client, specialty, version)));
  return { pushed, activated: idle.length, conflicts };
}

/** Until it is active: hosts fetch and load it first. */
async function activate(client: EdgeClient, specialty: string, version: string): Promise<void> {
  const deadline = Date.now() + ACTIVATION_MS;
  while ((await client.activate(specialty, version)).state !== 'active') {
    if (Date.now() > deadline) {
      const message = `No host took ${specialty} ${version} in time: look into the log of the host.`;
      throw new CallerError('still_staged', message);
    }
    await sleep(250);
  }
}
