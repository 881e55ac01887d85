/** Builds what is missing or older than its sources: kernels, page, edge. `npm run build -- --force` builds all. */
import { spawn } from 'node:child_process';
import { readdir, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';

const root = join(import.meta.dirname, '..', '..');

interface Step {
  readonly name: string;
  readonly script: string;
  readonly output: string;
  readonly inputs: readonly string[];
}

const common = ['package-lock.json', 'src/base', 'src/protocol'];
const kernels: Step = {
  name: 'kernels',
  script: 'kernels/build.ts',
  output: 'build/kernels/relaxed.wasm',
  inputs: ['package-lock.json', 'kernels'],
};
const edge: Step = {
  name: 'edge',
  script: 'src/cli/build-edge.ts',
  output: 'build/edge/workers.json',
  inputs: [...common, 'wrangler.toml', 'src/edge', 'weights/router', 'src/cli/build-edge.ts'],
};
const page: Step = {
  name: 'page',
  script: 'src/page/build.ts',
  output: 'build/page/index.html',
  inputs: [...common, 'kernels', 'src/page', 'src/tensor', 'src/model', 'src/engine'],
};

const force = process.argv.includes('--force');
// The page may bring the kernels along, so they come first.
await Promise.all([run(kernels).then(() => run(page)), run(edge)]);

async function run(step: Step): Promise<void> {
  if (!force && (await newestOf([step.output], Math.min)) > (await newestOf(step.inputs, Math.max))) return;
  const begun = performance.now();
  const child = spawn(process.execPath, [join(root, step.script)], { cwd: root, stdio: 'inherit' });
  const code = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', resolve);
  });
  if (code !== 0) {
    process.stderr.write(`${relative(root, step.script)} failed\n`);
    process.exit(1);
  }
  process.stdout.write(`built ${step.name} in ${((performance.now() - begun) / 1000).toFixed(1)} s\n`);
}

/** Times of change of files and of all files in folders; what is missing counts as never changed. */
async function newestOf(paths: readonly string[], pick: (...times: number[]) => number): Promise<number> {
  const times = await Promise.all(paths.map((path) => timeOf(join(root, path), pick)));
  return pick(...times);
}

async function timeOf(path: string, pick: (...times: number[]) => number): Promise<number> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return 0;
  if (!found.isDirectory()) return found.mtimeMs;
  const names = await readdir(path);
  // A folder's own time tells of files that were removed.
  return pick(found.mtimeMs, ...(await Promise.all(names.map((name) => timeOf(join(path, name), pick)))));
}
