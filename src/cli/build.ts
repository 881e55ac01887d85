/** Builds what is missing or older than its sources: kernels, page, edge. */
import { spawn } from 'node:child_process';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CallerError } from '../base/errors.ts';
import { projectRoot as root } from './config.ts';

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
  inputs: [
    ...common,
    'kernels',
    'src/page',
    'src/tensor',
    'src/model',
    'src/engine',
    'weights/base',
    'weights/router/router.onnx',
  ],
};

export interface BuildOptions {
  /** Builds what is up to date, too. */
  readonly force?: boolean;
  readonly onBuilt?: (text: string) => void;
}

export async function build(options: BuildOptions = {}): Promise<void> {
  // The page brings the kernels along, so they come first.
  await Promise.all([run(kernels, options).then(() => run(page, options)), run(edge, options)]);
}

async function run(step: Step, { force = false, onBuilt = () => {} }: BuildOptions): Promise<void> {
  const output = await timeOf(join(root, step.output));
  if (!force && output > (await newestOf(step.inputs))) return;
  const begun = performance.now();
  const child = spawn(process.execPath, [join(root, step.script)], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let errors = '';
  child.stderr.on('data', (data: Buffer) => (errors += data.toString()));
  const code = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', resolve);
  });
  if (code !== 0) throw new CallerError('build_failed', `${step.script} failed:\n${errors}`);
  onBuilt(`${step.name} built in ${((performance.now() - begun) / 1000).toFixed(1)} s`);
}

/** What is missing counts as never changed. */
async function newestOf(paths: readonly string[]): Promise<number> {
  return Math.max(...(await Promise.all(paths.map((path) => timeOf(join(root, path))))));
}

async function timeOf(path: string): Promise<number> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return 0;
  if (!found.isDirectory()) return found.mtimeMs;
  // Tools keep their own files in hidden folders.
  const names = (await readdir(path)).filter((name) => !name.startsWith('.'));
  // A folder's own time tells of files that were removed.
  return Math.max(found.mtimeMs, ...(await Promise.all(names.map((name) => timeOf(join(path, name))))));
}
