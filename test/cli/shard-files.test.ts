import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { listShardFiles, newestOfEach, oldestOfEach } from '../../src/cli/shard-files.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sparsedoctor-files-'));
});
afterEach(() => rm(folder, { recursive: true }));

async function put(specialty: string, ...names: string[]): Promise<void> {
  await mkdir(join(folder, specialty));
  for (const name of names) await writeFile(join(folder, specialty, name), '');
}

const names = (files: { specialty: string; version: string }[]): string[] =>
  files.map(({ specialty, version }) => `${specialty} ${version}`);

test('versions are in the order in which people count', async () => {
  await put('neurology', 'v10.safetensors', 'v2.safetensors', 'v1.safetensors', 'notes.md');
  await put('digestive', 'v1.safetensors');
  await writeFile(join(folder, 'run.json'), '{}');
  const files = await listShardFiles(folder);
  expect(names(files)).toEqual(['digestive v1', 'neurology v1', 'neurology v2', 'neurology v10']);
  expect(names(newestOfEach(files))).toEqual(['digestive v1', 'neurology v10']);
  expect(names(oldestOfEach(files))).toEqual(['digestive v1', 'neurology v1']);
});

test('a folder that is not there has none, and a file with a wrong name is pointed at', async () => {
  expect(await listShardFiles(join(folder, 'none'))).toEqual([]);
  await put('neurology', 'no version.safetensors');
  await expect(listShardFiles(folder)).rejects.toThrow(/no version\.safetensors is not named/);
});
