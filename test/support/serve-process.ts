/** `sparsedoctor serve` as a process on SwiftShader, with what it prints. */
import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { projectRoot } from '../../src/cli/config.ts';
import { swiftshaderEnvironment } from './swiftshader.ts';

export interface ServeProcess {
  readonly child: ChildProcess;
  /** Both outputs, in the order of arrival. */
  readonly output: () => string;
  readonly ended: Promise<number | null>;
}

export interface ServeOptions {
  readonly flags: readonly string[];
  /** A script of test/support that runs in the process first. */
  readonly preload?: string;
  /** The project, or a copy of it. */
  readonly root?: string;
}

export async function startServe({
  flags,
  preload,
  root = projectRoot,
}: ServeOptions): Promise<ServeProcess> {
  const options =
    preload === undefined ? {} : { NODE_OPTIONS: `--import=${join(import.meta.dirname, preload)}` };
  const child = spawn(process.execPath, [join(root, 'src', 'cli', 'main.ts'), 'serve', ...flags], {
    env: { ...process.env, ...(await swiftshaderEnvironment()), ...options },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout.on('data', (data: Buffer) => (output += data.toString()));
  child.stderr.on('data', (data: Buffer) => (output += data.toString()));
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  return { child, ended, output: () => output };
}
