/** The product whose GPU is lost: edge, host and shards as `npm start` runs them, on SwiftShader. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseSettings } from '../../src/cli/config.ts';
import { startStack, type Stack } from '../../src/cli/stack.ts';
import { hasSwiftshader, swiftshaderEnvironment } from '../support/swiftshader.ts';
import { writeTestWeights } from '../support/weights.ts';

describe.runIf(hasSwiftshader)('a product whose GPU is lost', () => {
  const progress: string[] = [];
  let folder: string;
  let stack: Stack;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sparsedoctor-lost-'));
    const { model, shards } = await writeTestWeights(folder);
    const flags = { model, shards, edgePort: '0', hostPort: '0', state: join(folder, 'state') };
    const preload = join(import.meta.dirname, '..', 'support', 'lose-device.ts');
    stack = await startStack({
      settings: parseSettings({
        flags: { ...flags, device: 'webgpu-software', cachePages: '300', threads: '1' },
        environment: {},
      }),
      environment: {
        ...process.env,
        ...(await swiftshaderEnvironment()),
        NODE_OPTIONS: `--import=${preload}`,
      },
      onProgress: (text) => progress.push(text),
    });
  });
  afterAll(async () => {
    await stack.close();
    await rm(folder, { recursive: true, force: true });
  });

  const ask = (body: object): Promise<Response> =>
    fetch(`${stack.edgeUrl}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${stack.apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        model: 'sparsedoctor:digestive',
        messages: [{ role: 'user', content: '胃痛' }],
        ...body,
      }),
    });

  test('tells those who wait, starts its host again, and serves its shards as before', async () => {
    const first = stack.host().pid;
    const before = await (await ask({ max_tokens: 8, temperature: 0 })).json();
    const streamed = await ask({ stream: true, max_tokens: 1400, ignore_eos: true });
    const reader = streamed.body!.pipeThrough(new TextDecoderStream()).getReader();
    let events = '';
    while (!events.includes('"content"')) events += (await reader.read()).value;
    process.kill(first, 'SIGUSR2');

    for (let part = await reader.read(); !part.done; part = await reader.read()) events += part.value;
    const last = events
      .split('\n')
      .filter((line) => line.startsWith('data: '))
      .at(-1);
    expect(last).toMatch(/^data: \{"error":\{/);
    await expect.poll(() => stack.host().pid, { timeout: 200_000 }).not.toBe(first);
    expect(progress).toContainEqual('the host ended (exit code 75) and is started again in 0.5 s');
    await expect.poll(async () => (await ask({ max_tokens: 1 })).status, { timeout: 60_000 }).toBe(200);
    const after = await (await ask({ max_tokens: 8, temperature: 0 })).json();
    expect(contentOf(after)).toBe(contentOf(before));
    expect(contentOf(after)).not.toBe('');
    expect(await Promise.race([stack.broken, Promise.resolve('in order')])).toBe('in order');
  });
});

function contentOf(answer: unknown): string {
  return /"content":"((?:[^"\\]|\\.)*)"/.exec(JSON.stringify(answer))?.[1] ?? '';
}
