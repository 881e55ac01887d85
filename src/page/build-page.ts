/**
 * Bundles the chat page into a folder of static assets: script, stylesheet, and the engine that is loaded only where
 * somebody wants answers on their own device. All are named by their content so that browsers may keep them for ever,
 * and nothing comes from anywhere else.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { buildModel, type ModelSources } from './build-model.ts';
import { modelFolder, type Manifest } from './on-device/manifest.ts';

const source = import.meta.dirname;
const root = join(source, '..', '..');

/** Scripts, styles and connections of this origin only; no inline code, no framing of any kind. */
const policy = [
  "default-src 'none'",
  // WebAssembly is code, too: that of the engine, from this origin.
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "require-trusted-types-for 'script'",
  'trusted-types default',
].join('; ');

/** Cloudflare's `_headers` for static assets. Opener and embedder policy isolate the page: threads may share memory. */
const headers = `/*
  Content-Security-Policy: ${policy}; frame-ancestors 'none'
  Cross-Origin-Opener-Policy: same-origin
  Cross-Origin-Embedder-Policy: require-corp
  Cross-Origin-Resource-Policy: same-origin
  Referrer-Policy: no-referrer
  X-Content-Type-Options: nosniff
  Permissions-Policy: camera=(), geolocation=(), microphone=(), payment=(), usb=()
/assets/*
  Cache-Control: public, max-age=31536000, immutable
`;

/** What ships. */
export const shippedModel: ModelSources = {
  base: join(root, 'weights', 'base'),
  router: join(root, 'weights', 'router', 'router.onnx'),
  kernels: join(root, 'kernels'),
  builds: join(root, 'build', 'kernels'),
};

export interface PageSizes {
  /** What every visitor loads, gzipped. */
  readonly firstLoad: number;
  /** What the engine adds, gzipped, where it is wanted. */
  readonly engine: number;
  /** Of the model, as it is downloaded once, without shards. */
  readonly model: number;
}

async function bundle(entry: string): Promise<Uint8Array> {
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    target: ['es2023', 'safari16.4', 'chrome111', 'firefox115'],
    legalComments: 'none',
    charset: 'utf8',
    logLevel: 'warning',
  });
  const [file] = outputFiles;
  if (!file) throw new Error(`esbuild wrote nothing for ${entry}`);
  return file.contents;
}

export async function buildPage(out: string, sources: ModelSources = shippedModel): Promise<PageSizes> {
  mkdirSync(join(out, 'assets'), { recursive: true });
  const written = new Set<string>();
  /** Address of an asset that is named by its content. */
  const write = (name: string, type: string, bytes: Uint8Array): string => {
    const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 10);
    const file = `${name}-${hash}.${type}`;
    writeFileSync(join(out, 'assets', file), bytes);
    written.add(file);
    return `/assets/${file}`;
  };
  const [page, style, worker, thread] = await Promise.all(
    [
      join(source, 'main.ts'),
      join(source, 'style', 'page.css'),
      join(source, 'on-device', 'worker.ts'),
      join(root, 'src', 'tensor', 'wasm', 'browser-thread.ts'),
    ].map(bundle),
  );
  const icon = readFileSync(join(source, 'icon.svg'));
  const manifest = await buildModel(out, sources, write('thread', 'js', thread!));
  const html = readFileSync(join(source, 'index.html'), 'utf8')
    .replace('{{csp}}', policy)
    .replace('{{js}}', write('page', 'js', page!))
    .replace('{{css}}', write('page', 'css', style!))
    .replace('{{icon}}', write('icon', 'svg', icon))
    .replace('{{engine}}', manifest ? write('engine', 'js', worker!) : '')
    .replaceAll(/>\s+</g, '> <');
  writeFileSync(join(out, '_headers'), headers);
  writeFileSync(join(out, 'index.html'), html);
  // The old files go last: a server that runs meanwhile always finds what its page names.
  removeOthers(join(out, 'assets'), written);
  if (manifest) removeOthers(join(out, modelFolder), new Set(['manifest.json', ...partsOf(manifest)]));
  else rmSync(join(out, modelFolder), { recursive: true, force: true });
  return {
    firstLoad: gzipped(page!, style!, icon, Buffer.from(html)),
    engine: manifest ? gzipped(worker!, thread!) : 0,
    model: manifest ? bytesOf(manifest) : 0,
  };
}

function partsOf({ files }: Manifest): string[] {
  return Object.values(files).flatMap(({ parts }) => parts.map(({ sha256 }) => sha256));
}

function bytesOf({ files }: Manifest): number {
  return Object.values(files)
    .flatMap(({ parts }) => parts)
    .reduce((sum, { bytes }) => sum + bytes, 0);
}

function gzipped(...files: readonly Uint8Array[]): number {
  return files.reduce((sum, bytes) => sum + gzipSync(bytes).length, 0);
}

function removeOthers(folder: string, kept: ReadonlySet<string>): void {
  for (const name of readdirSync(folder)) if (!kept.has(name)) rmSync(join(folder, name));
}
