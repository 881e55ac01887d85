/** What `sparsedoctor serve --device` prints. */
import { afterEach, describe, expect, test, vi } from 'vitest';
import { parseSettings } from '../../src/cli/config.ts';
import { reportDevice } from '../../src/cli/device-report.ts';
import { hasSwiftshader, swiftshaderEnvironment } from '../support/swiftshader.ts';

afterEach(() => vi.unstubAllEnvs());

async function report(flags: Record<string, string> = {}): Promise<string> {
  return (await reportDevice(parseSettings({ flags, environment: {} }))).join('\n');
}

/** In MiB. */
function cacheOf(text: string): number {
  return Number(/KV cache ([\d.]+) MiB/.exec(text)?.[1]);
}

describe('the report of a machine', () => {
  test.runIf(process.platform === 'linux')('without a GPU says so, and what is taken instead', async () => {
    vi.stubEnv('VK_DRIVER_FILES', '/nowhere.json');
    const text = await report({ threads: '3' });
    expect(text).toMatch(/^gpu +none: no GPU was found/m);
    expect(text).toMatch(/^cpu +3 threads$/m);
    expect(text).toMatch(/^auto +wasm: no GPU was found/m);
  });

  test.runIf(hasSwiftshader)('with one tells adapter, features and limits', async () => {
    for (const [name, value] of Object.entries(await swiftshaderEnvironment())) vi.stubEnv(name, value);
    const text = await report();
    expect(text).toMatch(/^gpu .*swiftshader.*\(in software\)\n.*vendor google, .*Vulkan by Dawn$/im);
    expect(text).toMatch(/^features +subgroups of 4, no shader-f16, timestamp-query$/m);
    expect(text).toMatch(/^limits +buffer 1\.00 GiB, binding 1\.00 GiB, \d+ storage buffers/m);
    expect(text).toMatch(/workgroup 256 invocations, 32\.0 KiB storage/);
    expect(text).toMatch(/^auto +wasm: the only GPU is software/m);
  });

  test('tells what the model will take with these settings', async () => {
    const [usual, halved] = [await report(), await report({ cachePages: '512' })];
    expect(usual).toMatch(/^model +\d+ layers × \d+.*\n +takes .*\(weights .*, experts .*, work .*\)$/m);
    expect(cacheOf(usual)).toBeGreaterThan(1);
    expect(cacheOf(halved)).toBeCloseTo(cacheOf(usual) / 2, 1);
  });

  test('goes on without a model', async () => {
    const text = await report({ model: '/nowhere' });
    expect(text).toMatch(/^model .*config\.json/m);
    expect(text).toMatch(/^auto /m);
  });
});
