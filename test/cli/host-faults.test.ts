/** Hosts whose GPU fails, as processes: what their clients hear, what they log, and how they end. */
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { projectRoot } from '../../src/cli/config.ts';
import { EXIT_START_AGAIN } from '../../src/cli/exit-codes.ts';
import { startServe, type ServeOptions, type ServeProcess } from '../support/serve-process.ts';
import { hasSwiftshader } from '../support/swiftshader.ts';
import { writeTestWeights } from '../support/weights.ts';

/** A GPU in software compiles slowly, and slower beside other tests. */
const PATIENCE_MS = 240_000;

let folder: string;
let files: string[];
const started: ServeProcess[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sparsedoctor-faults-'));
  const { model, shards } = await writeTestWeights(folder);
  files = ['--model', model, '--shards', shards, '--port', '0', '--threads', '1'];
});
afterEach(() => {
  for (const { child } of started.splice(0)) child.kill('SIGKILL');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function serve(options: ServeOptions): Promise<ServeProcess> {
  const process = await startServe({ ...options, flags: [...files, ...options.flags] });
  started.push(process);
  return process;
}

async function urlOf({ output }: ServeProcess): Promise<string> {
  await expect.poll(output, { timeout: PATIENCE_MS }).toMatch(/^listens http/m);
  return /^listens (\S+)/m.exec(output())?.[1] ?? '';
}

function ask(url: string, stream: boolean): Promise<Response> {
  return fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      model: 'sparsedoctor:digestive',
      max_tokens: 1400,
      ignore_eos: true,
      stream,
      messages: [{ role: 'user', content: '胃痛' }],
    }),
  });
}

describe.runIf(hasSwiftshader)('a host', () => {
  test(
    'whose GPU is lost fails what runs with an honest error, and ends for its supervisor',
    async () => {
      const flags = ['--device', 'webgpu-software', '--cache-pages', '300'];
      const host = await serve({ flags, preload: 'lose-device.ts' });
      const url = await urlOf(host);
      const streamed = await ask(url, true);
      const reader = streamed.body!.pipeThrough(new TextDecoderStream()).getReader();
      let events = '';
      while (!events.includes('data: ')) events += (await reader.read()).value;
      const whole = ask(url, false);
      await expect.poll(async () => running(url)).toBe(2);
      host.child.kill('SIGUSR2');

      const failed = await whole;
      expect(failed.status).toBe(503);
      expect(failed.headers.get('retry-after')).toBe('5');
      expect(await failed.json()).toMatchObject({ error: { type: 'server_error', code: 'device_lost' } });
      for (let part = await reader.read(); !part.done; part = await reader.read()) events += part.value;
      expect(events.trimEnd().split('\n\n').at(-1)).toMatch(/^data: \{"error":\{.*"code":"device_lost"\}\}$/);
      expect(await host.ended).toBe(EXIT_START_AGAIN);
      expect(host.output()).toMatch(
        /"code":"device_lost","detail":"the GPU was lost.*the host cannot compute/,
      );
      await expect(fetch(`${url}/health`)).rejects.toThrow();
    },
    PATIENCE_MS,
  );

  test(
    'whose model does not fit says what it needs, what fits, and which flags to lower',
    async () => {
      // Pages of 2 KiB in each of the cache's tensors: 1 GiB in one buffer, which SwiftShader's driver does not give.
      const host = await serve({ flags: ['--device', 'webgpu-software', '--cache-pages', '524288'] });
      expect(await host.ended).toBe(1);
      expect(host.output()).toMatch(/1073741824 bytes for cache\.\d\.keys do not fit the GPU/);
      expect(host.output()).toMatch(
        /It needs 6\.\d\d GiB \(weights .*KV cache 6\.00 GiB.*\); .* of that fit/,
      );
      expect(host.output()).toMatch(/Lower --cache-pages \(524288\)/);
      expect(host.output()).not.toMatch(/^\s+at /m);
    },
    PATIENCE_MS,
  );

  describe('with a kernel that its GPU refuses', () => {
    let root: string;
    beforeAll(async () => {
      root = join(folder, 'product');
      for (const part of ['src', 'kernels', 'package.json']) {
        await cp(join(projectRoot, part), join(root, part), { recursive: true });
      }
      for (const part of ['node_modules', 'build']) await symlink(join(projectRoot, part), join(root, part));
      const shader = join(root, 'kernels', 'norm_gate', 'norm_gate.wgsl');
      await writeFile(shader, `${await readFile(shader, 'utf8')}\nfn wrong() -> u32 { return missing; }\n`);
    });

    test(
      'says which, where, on what GPU, and what to do, before it is ready',
      async () => {
        const host = await serve({ root, flags: ['--device', 'webgpu-software'] });
        expect(await host.ended).toBe(1);
        expect(host.output()).toMatch(/The GPU refuses a kernel: norm_gate\.wgsl:\n\d+:\d+ .*'missing'/);
        expect(host.output()).toMatch(/swiftshader.*Update its driver, or use --device wasm/i);
        expect(host.output()).not.toMatch(/listens|^\s+at /m);
      },
      PATIENCE_MS,
    );

    test(
      'computes on the CPU, with a warning, where nobody asked for the GPU',
      async () => {
        const host = await serve({ root, flags: ['--device', 'auto'], preload: 'as-real-gpu.ts' });
        const url = await urlOf(host);
        expect(host.output()).toMatch(/norm_gate\.wgsl.*the GPU cannot be used: computing on the CPU/);
        expect(host.output()).toMatch(/^device +WebAssembly/m);
        expect((await fetch(`${url}/health`)).status).toBe(200);
        host.child.kill('SIGTERM');
        expect(await host.ended).toBe(0);
      },
      PATIENCE_MS,
    );
  });
});

async function running(url: string): Promise<number> {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  return Number(/requests_running(?:\{[^}]*\})? (\d+)/.exec(metrics)?.[1] ?? 0);
}
