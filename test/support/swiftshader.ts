/**
 * A GPU for tests, in software: Google's SwiftShader and a Vulkan loader out of the npm package that carries the Chromium
 * of the page tests. Nothing of the machine's own graphics is needed or used.
 */
import { execFile } from 'node:child_process';
import { createReadStream, existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createBrotliDecompress } from 'node:zlib';
import { extract } from 'tar-fs';
import { z } from 'zod';

const folder = join(import.meta.dirname, '..', '..', 'build', 'swiftshader');

/** The package holds SwiftShader for this platform only. */
export const hasSwiftshader = process.platform === 'linux' && process.arch === 'x64';

const checkSchema = z.object({ check: z.string(), failure: z.string().nullable() });
export type Check = z.infer<typeof checkSchema>;

/** What the environment of a process must hold *before* it starts, so that its Vulkan finds SwiftShader, nothing else. */
export async function swiftshaderEnvironment(): Promise<Readonly<Record<string, string>>> {
  if (!existsSync(folder)) await unpack();
  return { LD_LIBRARY_PATH: folder, VK_DRIVER_FILES: join(folder, 'vk_swiftshader_icd.json') };
}

/** What a script of this folder reports (report-check.ts). Rejects where it does not end well, or checks nothing. */
export async function checksOnSwiftshader(script: string): Promise<readonly Check[]> {
  const env = { ...process.env, ...(await swiftshaderEnvironment()) };
  const path = join(import.meta.dirname, script);
  const { stdout } = await promisify(execFile)(process.execPath, [path], { env, timeout: 900_000 });
  const lines = stdout.split('\n').filter((line) => line !== '');
  if (lines.length === 0) throw new Error(`${script} checked nothing`);
  return lines.map((line) => checkSchema.parse(JSON.parse(line)));
}

async function unpack(): Promise<void> {
  const chromium = dirname(fileURLToPath(import.meta.resolve('@sparticuz/chromium')));
  const archive = join(chromium, '..', '..', 'bin', 'swiftshader.tar.br');
  // Beside the target, then renamed: a second process never sees half of it.
  const partial = `${folder}.${process.pid}`;
  await mkdir(partial, { recursive: true });
  await pipeline(createReadStream(archive), createBrotliDecompress(), extract(partial));
  try {
    await rename(partial, folder);
  } catch (error) {
    await rm(partial, { recursive: true });
    if (!existsSync(folder)) throw error;
  }
}
