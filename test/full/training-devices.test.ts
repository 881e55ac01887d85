/** Training on WebGPU, computed by SwiftShader, against the same training on the CPU. */
import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { projectRoot } from '../../src/cli/config.ts';
import { hasSwiftshader, swiftshaderEnvironment } from '../support/swiftshader.ts';

const STEPS = 20;

/**
 * Both devices compute in f32 and add in different orders. Measured over these 20 steps: 5e-7 at most, four steps of f32 at
 * losses of 3 to 6, and it does not grow. A wrong term in any gradient shows from the second step on.
 */
const TOLERANCE = 1e-5;

const run = promisify(execFile);

const lossesSchema = z.object({ kind: z.string(), wasm: z.array(z.number()), webgpu: z.array(z.number()) });

describe.runIf(hasSwiftshader)('20 steps on WebGPU', () => {
  let runs: z.infer<typeof lossesSchema>[] = [];

  beforeAll(async () => {
    const script = join(import.meta.dirname, '..', 'support', 'training-losses.ts');
    const env = { ...process.env, ...(await swiftshaderEnvironment()) };
    const { stdout } = await run(process.execPath, [script], { env });
    runs = stdout
      .trim()
      .split('\n')
      .map((line) => lossesSchema.parse(JSON.parse(line)));
  });

  test.each(['base', 'experts'])('give the losses of the CPU: %s', (kind) => {
    const losses = runs.find((one) => one.kind === kind);
    expect(losses?.wasm).toHaveLength(STEPS);
    expect(losses?.webgpu).toHaveLength(STEPS);
    const { wasm = [], webgpu = [] } = losses ?? {};
    for (const [step, loss] of webgpu.entries()) {
      expect(Math.abs(loss - wasm[step]!), `loss of step ${step}`).toBeLessThan(TOLERANCE);
    }
    expect(webgpu.at(-1)).toBeLessThan(webgpu[0]! - 0.1);
  });
});

describe.runIf(hasSwiftshader)('the command that trains', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'train-devices-'));
    await mkdir(join(folder, 'data', 'pretrain'), { recursive: true });
    const documents = Array.from({ length: 20 }, (_, i) =>
      JSON.stringify({
        id: `p${i}`,
        source: 's',
        license: 'CC0-1.0',
        specialty: null,
        text: `肺炎 ${i} 发热咳嗽`,
      }),
    );
    for (const split of ['train', 'valid']) {
      const path = join(folder, 'data', 'pretrain', `${split}.jsonl.gz`);
      await writeFile(path, gzipSync(documents.join('\n')));
    }
    await writeFile(join(folder, 'run.json'), JSON.stringify(smallRun));
  });
  afterAll(() => rm(folder, { recursive: true }));

  async function train(device: string): Promise<{ losses: number[]; said: string }> {
    const out = join(folder, `${device}-out`);
    await mkdir(out);
    for (const file of ['tokenizer.json', 'tokenizer_config.json']) {
      await copyFile(join(projectRoot, 'weights', 'base', file), join(out, file));
    }
    const main = join(projectRoot, 'src', 'cli', 'main.ts');
    const folders = ['--data', join(folder, 'data'), '--folder', join(folder, device), '--out', out];
    const args = [main, 'train', 'base', join(folder, 'run.json'), ...folders, '--device', device];
    const env = { ...process.env, ...(await swiftshaderEnvironment()) };
    const { stderr } = await run(process.execPath, args, { env });
    const metrics = await readFile(join(folder, device, 'metrics.jsonl'), 'utf8');
    const lines = metrics
      .trim()
      .split('\n')
      .map((line) => stepSchema.parse(JSON.parse(line)));
    return { losses: lines.flatMap(({ loss }) => loss ?? []), said: stderr };
  }

  test('takes a device by name, and trains there as on the CPU', async () => {
    const onCpu = await train('wasm');
    const onGpu = await train('webgpu-software');
    expect(onCpu.said).toContain('WebAssembly');
    expect(onGpu.said).toMatch(/WebGPU.*swiftshader/i);
    expect(onGpu.losses).toHaveLength(smallRun.optimiser.steps);
    for (const [step, loss] of onGpu.losses.entries()) {
      expect(Math.abs(loss - onCpu.losses[step]!), `loss of step ${step}`).toBeLessThan(TOLERANCE);
    }
  });
});

const stepSchema = z.object({ loss: z.number().optional() });

const smallRun = {
  kind: 'base',
  seed: 3,
  rowLength: 32,
  rows: 2,
  optimiser: {
    peakLearningRate: 2e-3,
    floor: 0.1,
    warmupSteps: 2,
    steps: 4,
    beta1: 0.9,
    beta2: 0.95,
    epsilon: 1e-8,
    weightDecay: 0.1,
    maxGradientNorm: 1,
  },
  saveEvery: 2,
  validateEvery: 4,
  parts: ['pretrain'],
  model: {
    hiddenSize: 16,
    layers: 1,
    heads: 2,
    keyValueHeads: 1,
    headSize: 8,
    intermediateSize: 24,
    rmsNormEpsilon: 1e-6,
    ropeTheta: 10_000,
    maxPositions: 64,
  },
};
