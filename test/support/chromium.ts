/**
 * A real browser for page tests, from npm alone: the headless Chromium of @sparticuz/chromium with its own nss libraries
 * and SwiftShader beside the binary, so that WebGPU works too. Nothing of the machine's browser or graphics is used.
 */
import { createReadStream, createWriteStream, existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { createBrotliDecompress } from 'node:zlib';
import { chromium, type Browser } from 'playwright-core';
import { extract } from 'tar-fs';

const build = join(import.meta.dirname, '..', '..', 'build');

const flags = [
  '--no-sandbox',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--enable-unsafe-webgpu',
  // Containers often have a tiny /dev/shm, which ends in crashes of the tab.
  '--disable-dev-shm-usage',
];

/** Starts Chromium; the first call on a machine unpacks it, which takes some seconds. The caller closes it. */
export async function launchChromium(): Promise<Browser> {
  const folder = await unpacked();
  return chromium.launch({
    executablePath: join(folder, 'chromium'),
    args: flags,
    env: {
      LD_LIBRARY_PATH: `${join(folder, 'lib')}:${folder}`,
      VK_DRIVER_FILES: join(folder, 'vk_swiftshader_icd.json'),
      // Its own fonts only: text looks alike on every machine. There is no Chinese one among them.
      FONTCONFIG_PATH: folder,
      HOME: folder,
    },
  });
}

async function unpacked(): Promise<string> {
  const folder = join(build, 'chromium');
  if (existsSync(folder)) return folder;
  const bin = join(dirname(fileURLToPath(import.meta.resolve('@sparticuz/chromium'))), '..', '..', 'bin');
  // Beside the target, then renamed: a second process never sees half of it.
  const partial = `${folder}.${process.pid}`;
  await mkdir(partial, { recursive: true });
  const binary = createWriteStream(join(partial, 'chromium'), { mode: 0o755 });
  await pipeline(decompressed(join(bin, 'chromium.br')), binary);
  for (const archive of ['al2023', 'swiftshader', 'fonts']) {
    await pipeline(decompressed(join(bin, `${archive}.tar.br`)), extract(partial));
  }
  await pipeline(Readable.from([fontconfig(folder)]), createWriteStream(join(partial, 'fonts.conf')));
  try {
    await rename(partial, folder);
  } catch (error) {
    await rm(partial, { recursive: true });
    if (!existsSync(folder)) throw error;
  }
  return folder;
}

function decompressed(path: string): NodeJS.ReadableStream {
  const decompressor = createBrotliDecompress();
  createReadStream(path)
    .on('error', (error) => decompressor.destroy(error))
    .pipe(decompressor);
  return decompressor;
}

/** The package's own names fixed folders under /tmp; a relative cache would land in the working directory. */
function fontconfig(folder: string): string {
  return `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir prefix="relative">fonts</dir><cachedir>${join(folder, 'fontconfig-cache')}</cachedir></fontconfig>
`;
}
