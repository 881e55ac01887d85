/** The search for a GPU, with drivers that are absent, in software, broken, or stuck. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { chooseDevice } from '../../src/cli/devices.ts';
import { findGpu } from '../../src/cli/find-gpu.ts';
import { hasSwiftshader, swiftshaderEnvironment } from '../support/swiftshader.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sparsedoctor-gpu-'));
});
afterEach(() => vi.unstubAllEnvs());
afterAll(() => rm(folder, { recursive: true, force: true }));

/** The search runs in a process of its own, which takes this script along. */
async function preload(script: string): Promise<void> {
  const path = join(folder, `${script.length}.mjs`);
  await writeFile(path, script);
  vi.stubEnv('NODE_OPTIONS', `--import=${path}`);
}

describe('the search for a GPU', () => {
  test.runIf(process.platform === 'linux')('finds none where there is no driver', async () => {
    vi.stubEnv('VK_DRIVER_FILES', join(folder, 'nothing.json'));
    const finding = await findGpu();
    expect(finding).toMatchObject({ adapter: null, problem: expect.stringContaining('no GPU was found') });
    expect(chooseDevice(finding).name).toBe('wasm');
  });

  test.runIf(hasSwiftshader)('tells a GPU in software, which is not chosen', async () => {
    for (const [name, value] of Object.entries(await swiftshaderEnvironment())) vi.stubEnv(name, value);
    const { adapter } = await findGpu();
    expect(adapter).toMatchObject({ architecture: 'swiftshader', software: true, subgroupSizes: [4, 4] });
    expect(adapter?.limits.maxBufferSize).toBeGreaterThan(2 ** 28);
    expect(chooseDevice({ adapter: adapter! })).toMatchObject({
      name: 'wasm',
      reason: expect.stringContaining('software'),
    });
  });

  test('outlives a driver that crashes', async () => {
    await preload('process.kill(process.pid, "SIGSEGV");');
    expect(await findGpu()).toMatchObject({ adapter: null, problem: 'the GPU driver failed (SIGSEGV)' });
  });

  test('does not wait for a driver that hangs', async () => {
    await preload('for (;;);');
    expect(await findGpu(300)).toMatchObject({
      adapter: null,
      problem: 'the GPU driver did not answer in time',
    });
  });
});
