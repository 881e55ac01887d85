/** The shipped model on WebGPU, computed by SwiftShader, says what it says on the CPU. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { swiftshaderEnvironment } from '../support/swiftshader.ts';

const main = join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.ts');
const run = promisify(execFile);

async function answer(device: string, specialties: string, environment: Readonly<Record<string, string>>) {
  const flags = ['--temperature', '0', '--max-tokens', '24', '--specialty', specialties];
  const { stdout } = await run(
    process.execPath,
    [main, 'chat', '--device', device, ...flags, '最近总是失眠、头晕，需要做什么检查？'],
    { env: { ...process.env, ...environment } },
  );
  // The first line names the device.
  return stdout.split('\n').slice(1).join('\n');
}

test
  .skipIf(process.platform !== 'linux' || process.arch !== 'x64')
  .each(['psychiatry', 'neurology,psychiatry'])(
  'greedy tokens with %s are those of the CPU',
  async (specialties) => {
    const environment = await swiftshaderEnvironment();
    const onGpu = await answer('webgpu-software', specialties, environment);
    expect(onGpu.length).toBeGreaterThan(10);
    expect(onGpu).toBe(await answer('wasm', specialties, {}));
  },
);
