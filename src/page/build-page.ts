/**
 * Bundles the chat page into a folder of static assets: one script and one stylesheet, named by their content so that
 * browsers may keep them for ever, and nothing from anywhere else.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const source = import.meta.dirname;

/** Scripts, styles and connections of this origin only; no inline code, no framing of any kind. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "require-trusted-types-for 'script'",
].join('; ');

/**
 * Cloudflare's `_headers` for static assets. On-device mode, which needs shared memory, will add
 * Cross-Origin-Embedder-Policy here, and 'wasm-unsafe-eval' and worker-src to the policy.
 */
const headers = `/*
  Content-Security-Policy: ${policy}; frame-ancestors 'none'
  Cross-Origin-Opener-Policy: same-origin
  Cross-Origin-Resource-Policy: same-origin
  Referrer-Policy: no-referrer
  X-Content-Type-Options: nosniff
  Permissions-Policy: camera=(), geolocation=(), microphone=(), payment=(), usb=()
/assets/*
  Cache-Control: public, max-age=31536000, immutable
`;

async function bundle(entry: string): Promise<Uint8Array> {
  const { outputFiles } = await build({
    entryPoints: [join(source, entry)],
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

/** Returns how many bytes a visitor loads, gzipped. */
export async function buildPage(out: string): Promise<number> {
  const assets = [
    { placeholder: 'js', name: 'page', type: 'js', bytes: await bundle('main.ts') },
    { placeholder: 'css', name: 'page', type: 'css', bytes: await bundle('style/page.css') },
    { placeholder: 'icon', name: 'icon', type: 'svg', bytes: readFileSync(join(source, 'icon.svg')) },
  ];

  mkdirSync(join(out, 'assets'), { recursive: true });
  let html = readFileSync(join(source, 'index.html'), 'utf8').replace('{{csp}}', policy);
  let gzipped = 0;
  for (const { placeholder, name, type, bytes } of assets) {
    const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 10);
    const path = `assets/${name}-${hash}.${type}`;
    writeFileSync(join(out, path), bytes);
    html = html.replace(`{{${placeholder}}}`, `/${path}`);
    gzipped += gzipSync(bytes).length;
  }
  // The old files go last: a server that runs meanwhile always finds what its page names.
  writeFileSync(join(out, 'index.html'), html.replaceAll(/>\s+</g, '> <'));
  writeFileSync(join(out, '_headers'), headers);
  for (const old of readdirSync(join(out, 'assets'))) {
    if (!html.includes(`/assets/${old}`)) rmSync(join(out, 'assets', old));
  }
  gzipped += gzipSync(html).length;
  return gzipped;
}
