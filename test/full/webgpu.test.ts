/** The shipped model on WebGPU, computed by SwiftShader, says what it says on the CPU. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { swiftshaderEnvironment } from '../support/swiftshader.ts';

const main = join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.ts');
const run = promisify(execFile);

async function answer(
  device: string,
  specialties: string,
  weights: string,
  environment: Readonly<Record<string, string>>,
) {
  const flags = [
    '--temperature',
    '0',
    '--max-tokens',
    '24',
    '--specialty',
    specialties,
    '--weights',
    weights,
  ];
  const { stdout } = await run(
    process.execPath,
    [main, 'chat', '--device', device, ...flags, '最近总是失眠、头晕，需要做什么检查？'],
    { env: { ...process.env, ...environment } },
  );
  // The first line names the device.
  return stdout.split('\n').slice(1).join('\n');
}

test.skipIf(process.platform !== 'linux' || process.arch !== 'x64').each([
  ['psychiatry', 'f32'],
  ['neurology,psychiatry', 'f32'],
  ['psychiatry', 'q8'],
])('greedy tokens with %s and weights in %s are those of the CPU', async (specialties, weights) => {
  const environment = await swiftshaderEnvironment();
  const onGpu = await answer('webgpu-software', specialties, weights, environment);
  expect(onGpu.length).toBeGreaterThan(10);
  expect(onGpu).toBe(await answer('wasm', specialties, weights, {}));
});
