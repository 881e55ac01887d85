/**
 * Bundles the edge's Workers as `wrangler deploy` would, and writes down the settings of their wrangler files as
 * miniflare takes them, so that a start needs neither wrangler nor a bundler: build/edge/<worker>/ and
 * build/edge/workers.json, the gateway first.
 */
import { spawn } from 'node:child_process';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { unstable_getMiniflareWorkerOptions, unstable_readConfig } from 'wrangler';

const root = join(import.meta.dirname, '..', '..');
const out = join(root, 'build', 'edge');
const configs = ['wrangler.toml', 'src/edge/router/wrangler.toml'];

await rm(out, { recursive: true, force: true });
await mkdir(join(root, 'build', 'page'), { recursive: true });
const workers = await Promise.all(configs.map(buildWorker));
await writeFile(join(out, 'workers.json'), `${JSON.stringify(workers, null, 1)}\n`);

async function buildWorker(configFile: string): Promise<object> {
  const configPath = join(root, configFile);
  const { name, main, assets: files } = unstable_readConfig({ config: configPath }, { hideWarnings: true });
  if (name === undefined || main === undefined) throw new Error(`${configFile} names no Worker or no entry`);
  const folder = join(out, name);
  await bundle(configPath, folder);
  const { workerOptions } = unstable_getMiniflareWorkerOptions(configPath);
  const { modulesRules = [], assets, rootPath: _, ...options } = workerOptions;
  const typeOf = (file: string): string | undefined =>
    extname(file) === '.js'
      ? 'ESModule'
      : modulesRules.find(({ include }) => include.includes(`**/*${extname(file)}`))?.type;
  const modules = (await readdir(folder)).flatMap((path) => {
    const type = typeOf(path);
    return type === undefined ? [] : [{ type, path }];
  });
  // Miniflare takes the first module for the entry.
  const entry = modules.findIndex(({ type }) => type === 'ESModule');
  modules.unshift(...modules.splice(entry, 1));
  return {
    ...options,
    name,
    modules,
    ...(assets && files?.directory !== undefined
      ? { assets: { ...assets, directory: files.directory } }
      : {}),
  };
}

function bundle(configPath: string, folder: string): Promise<void> {
  const wrangler = join(root, 'node_modules', 'wrangler', 'bin', 'wrangler.js');
  const args = [wrangler, 'deploy', '--dry-run', '--outdir', folder, '--config', configPath];
  const offline = {
    CLOUDFLARE_CF_FETCH_ENABLED: 'false',
    WRANGLER_SEND_METRICS: 'false',
    WRANGLER_LOG: 'warn',
  };
  const child = spawn(process.execPath, args, {
    cwd: root,
    env: { ...process.env, ...offline },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  child.stdout.on('data', (data: Buffer) => (log += data.toString()));
  child.stderr.on('data', (data: Buffer) => (log += data.toString()));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) =>
      code === 0 ? resolve() : reject(new Error(`wrangler could not bundle ${configPath}:\n${log}`)),
    );
  });
}
