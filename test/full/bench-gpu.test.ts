/**
 * The bench of a GPU, rehearsed on SwiftShader with a tiny model: every section runs and says something, all in finite
 * numbers. What they are means nothing there.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { kernels } from '../../kernels/index.ts';
import type { Report } from '../bench/gpu/report.ts';

const bench = join(import.meta.dirname, '..', 'bench', 'gpu.ts');
const run = promisify(execFile);
const hasSwiftshader = process.platform === 'linux' && process.arch === 'x64';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sparsedoctor-bench-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function report(name: string, ...flags: string[]): Promise<{ out: Report; text: string }> {
  const file = join(folder, name);
  const { stdout } = await run(process.execPath, [bench, '--swiftshader', '--tiny', '--out', file, ...flags]);
  return { out: JSON.parse(await readFile(file, 'utf8')), text: stdout };
}

/** Paths of the numbers that are not finite: JSON writes them as null. */
function notFinite(value: unknown, path = ''): string[] {
  if (value === null) return [path];
  if (typeof value !== 'object') return [];
  return Object.entries(value).flatMap(([key, inner]) => notFinite(inner, `${path}.${key}`));
}

test.skipIf(!hasSwiftshader)('all sections at once', async () => {
  const { out, text } = await report('all.json');
  // SwiftShader has no f16, nobody there tells of memory.
  const absent = ['.limits.fma16', '.limits.matrix16', '.machine.memoryBytes', '.machine.nvidia'];
  expect(notFinite(out).filter((path) => !absent.includes(path))).toEqual([]);
  expect(out.machine).toMatchObject({ backend: 'vulkan', isSoftware: true });
  expect(out.machine.features).toContain('timestamp-query');

  const serving = new Set(out.kernels.filter(({ model }) => model === 'tiny').map(({ kernel }) => kernel));
  const training = new Set(
    out.kernels.filter(({ model }) => model === 'training').map(({ kernel }) => kernel),
  );
  const all = Object.values(kernels).map(({ name }) => name);
  const measured = [...serving, ...training];
  expect(measured.length).toBeGreaterThan(20);
  // No op of the product sends an `add`.
  expect(all.filter((name) => !measured.includes(name))).toEqual(['add']);
  for (const { kernel, share, bytes } of out.kernels)
    expect(Math.min(share, bytes), kernel).toBeGreaterThan(0);

  const sections = new Set(out.steps.map(({ section }) => section));
  expect([...sections].sort()).toEqual(['decode', 'prefill', 'shards']);
  const asked = new Set(out.steps.map(({ request }) => request.asking));
  expect([...asked].sort()).toEqual(['base', 'different', 'same']);
  for (const step of out.steps) expect(step.tokensPerSecond).toBeGreaterThan(0);

  // The model of time knows every dispatch.
  expect(out.comparisons.length).toBe(out.steps.length);
  for (const row of out.comparisons) expect(row.predictedDispatches).toBe(row.dispatches);
  expect(new Set(out.aims.map(({ aim }) => aim)).size).toBe(4);
  expect(out.skipped).toEqual([{ section: 'peer', what: 'llama.cpp', why: 'no --llama was given' }]);
  expect(text).toContain('llama.cpp was not compared');
});

test.skipIf(!hasSwiftshader)('llama.cpp beside us, there on the CPU', async () => {
  const { out } = await report('peer.json', '--only', 'peer', '--llama', 'node-llama-cpp');
  expect(out.peer.map(({ test }) => test)).toEqual(['prompt of 12', '64 tokens after none']);
  for (const { ours, theirs, ratio, peer } of out.peer) {
    expect(Math.min(ours.least, theirs.least, ratio)).toBeGreaterThan(0);
    expect(peer).toContain('CPU');
  }
});

test.skipIf(!hasSwiftshader)('parts of the bench add to one report', async () => {
  const first = await report('parts.json', '--only', 'limits');
  expect(first.out.steps).toEqual([]);
  await report('parts.json', '--only', 'decode', '--batches', '1');
  const { out } = await report('parts.json', '--only', 'decode,model', '--batches', '1,2');
  expect(out.limits).toEqual(first.out.limits);
  expect(out.steps.map(({ request }) => [request.sequences, request.asking])).toEqual([
    [1, 'base'],
    [1, 'same'],
    [2, 'base'],
    [2, 'same'],
  ]);
});
