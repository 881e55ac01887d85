/** The shipped weights are what their manifest says, belong together, and fit. */
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { directorySource } from '../src/cli/directory-source.ts';
import { verifyWeights, weightsManifestSchema } from '../src/cli/weights-manifest.ts';
import { openCheckpoint } from '../src/model/checkpoint.ts';
import { fingerprint } from '../src/model/fingerprint.ts';
import { readShardFile } from '../src/model/shard-file.ts';

const folder = join(import.meta.dirname, '..', 'weights');
const MAX_BYTES = 64_000_000;
const MAX_RESUME_BYTES = 35_000_000;

async function readManifest() {
  return weightsManifestSchema.parse(JSON.parse(await readFile(join(folder, 'manifest.json'), 'utf8')));
}

async function shardPaths(): Promise<string[]> {
  const entries = await readdir(join(folder, 'shards'), { recursive: true });
  return entries.filter((path) => path.endsWith('.safetensors')).map((path) => join(folder, 'shards', path));
}

describe('the shipped weights', () => {
  it('are the files of their manifest', async () => {
    await expect(verifyWeights(folder, await readManifest())).resolves.toBeUndefined();
  });

  it('fit into 64 MB, the resume file into 35', async () => {
    const { files } = await readManifest();
    expect(files.reduce((sum, file) => sum + file.bytes, 0)).toBeLessThanOrEqual(MAX_BYTES);
    const resume = files.find((file) => file.path === 'base/resume.safetensors');
    expect(resume?.bytes).toBeLessThanOrEqual(MAX_RESUME_BYTES);
  });

  it('hold twelve specialties and general, two versions of cardiovascular, all for this base', async () => {
    const checkpoint = await openCheckpoint(directorySource(join(folder, 'base')));
    const expected = { config: checkpoint.config, baseFingerprint: await fingerprint(checkpoint) };
    const names: string[] = [];
    for (const path of await shardPaths()) {
      const { metadata, experts } = await readShardFile(await readFile(path), expected);
      expect(experts).toBeGreaterThanOrEqual(4);
      expect(metadata.topK).toBe(2);
      names.push(`${metadata.specialty} ${metadata.version}`);
    }
    expect(names).toHaveLength(14);
    expect(names).toContain('general v1');
    expect(names.filter((name) => name.startsWith('cardiovascular')).sort()).toEqual([
      'cardiovascular v1',
      'cardiovascular v2',
    ]);
  });
});
