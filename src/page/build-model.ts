/**
 * Puts the model into the page's static assets for "answer on this device": base, router, tokenizer and kernels, cut into
 * parts that are named by their SHA-256, and a manifest that says how they fit together.
 */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { memoryFiles } from '../model/byte-source.ts';
import { openCheckpoint } from '../model/checkpoint.ts';
import { fingerprint } from '../model/fingerprint.ts';
import { modelFolder, type Manifest, type StoredFile } from './on-device/manifest.ts';

export interface ModelSources {
  /** Folder of the base checkpoint. */
  readonly base: string;
  readonly router: string;
  /** Folder of the kernels' source, where the shaders are. */
  readonly kernels: string;
  /** Folder of relaxed.wasm and simd.wasm. */
  readonly builds: string;
}

/** A download that breaks off loses no more than one part. Cloudflare serves assets of up to 25 MiB. */
const partBytes = 4 * 1024 * 1024;
const baseFile =
  /^((tokenizer|generation)_config|tokenizer|config)\.json$|^model[\w-]*\.safetensors(\.index\.json)?$/;

/** Null where there is no base to give; the page then does not offer it. `out` is the folder of the page's assets. */
export async function buildModel(
  out: string,
  sources: ModelSources,
  threadScript: string,
): Promise<Manifest | null> {
  const names = (await readdir(sources.base).catch(() => [])).filter((name) => baseFile.test(name));
  if (!names.some((name) => name.endsWith('.safetensors'))) return null;
  const base = await readAll(sources.base, names);
  const kernels = await readAll(sources.builds, ['relaxed.wasm', 'simd.wasm']);
  const contents: Record<string, Uint8Array> = {
    ...withPrefix('base/', base),
    ...withPrefix('kernels/', kernels),
    'kernels/shaders.json': new TextEncoder().encode(JSON.stringify(await readShaders(sources.kernels))),
    'router.onnx': await readFile(sources.router),
  };
  await mkdir(join(out, modelFolder), { recursive: true });
  const files: Record<string, StoredFile> = {};
  for (const [name, bytes] of Object.entries(contents)) files[name] = await writeParts(out, bytes);
  const manifest: Manifest = {
    format: 1,
    fingerprint: await fingerprint(await openCheckpoint(memoryFiles(base))),
    threadScript,
    files,
  };
  await writeFile(join(out, modelFolder, 'manifest.json'), JSON.stringify(manifest));
  return manifest;
}

async function writeParts(out: string, bytes: Uint8Array): Promise<StoredFile> {
  const parts: { sha256: string; bytes: number }[] = [];
  for (let from = 0; from < bytes.length; from += partBytes) {
    const part = bytes.subarray(from, from + partBytes);
    const sha256 = createHash('sha256').update(part).digest('hex');
    await writeFile(join(out, modelFolder, sha256), part);
    parts.push({ sha256, bytes: part.length });
  }
  return { parts };
}

async function readAll(folder: string, names: readonly string[]): Promise<Record<string, Uint8Array>> {
  const entries = names.map(async (name) => [name, await readFile(join(folder, name))] as const);
  return Object.fromEntries(await Promise.all(entries));
}

function withPrefix(prefix: string, files: Readonly<Record<string, Uint8Array>>): Record<string, Uint8Array> {
  return Object.fromEntries(Object.entries(files).map(([name, bytes]) => [prefix + name, bytes]));
}

/** Text of every shader by its path below the folder, `/` between its parts on every platform. */
async function readShaders(folder: string): Promise<Record<string, string>> {
  const names = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.wgsl')).sort();
  const entries = names.map(
    async (name) => [name.replaceAll(sep, '/'), await readFile(join(folder, name), 'utf8')] as const,
  );
  return Object.fromEntries(await Promise.all(entries));
}
