/** Writing a file so that whoever reads it, even after a crash or a power cut, finds the old one or the new one. */
import { rename, writeFile } from 'node:fs/promises';

export async function writeWhole(path: string, bytes: Uint8Array | string): Promise<void> {
  const partial = `${path}.partial`;
  await writeFile(partial, bytes, { flush: true });
  await rename(partial, path);
}
