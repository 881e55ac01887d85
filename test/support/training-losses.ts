/**
 * The same training on `wasm` and on the GPU, in a process whose environment names the GPU driver (see swiftshader.ts).
 * Prints one line of JSON for each kind of training: {"kind", "wasm", "webgpu"}, the losses of its steps on each.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Device } from '../../src/tensor/device.ts';
import { createWasmDevice } from '../../src/tensor/wasm/node.ts';
import { createNodeWebgpuDevice } from '../../src/tensor/webgpu/node.ts';
import { baseTrainer, randomBatch, smallModel } from './tiny-trainer.ts';
import { EVERYTHING, tune, tuneBase, tuneConfig, writeTuneData } from './tiny-tuning.ts';

const STEPS = 20;

const openers: Readonly<Record<'wasm' | 'webgpu', () => Promise<Device>>> = {
  wasm: () => createWasmDevice({ threads: 1, bankBytes: 64 << 20 }),
  webgpu: () => createNodeWebgpuDevice({ backend: 'vulkan', allowFallbackAdapter: true }),
};

const folder = await mkdtemp(join(tmpdir(), 'training-losses-'));
writeTuneData(join(folder, 'data'));

/** Every weight of a base. */
async function base(device: Device): Promise<number[]> {
  const trainer = await baseTrainer(device, await smallModel());
  const losses: number[] = [];
  for (let step = 0; step < STEPS; step++) losses.push((await trainer.train(randomBatch(step % 4))).loss);
  return losses;
}

/** A whole run of LoRA experts: gate with balance, z-loss and jitter, contrast of routing, schedule, validation. */
async function experts(device: Device): Promise<number[]> {
  const config = tuneConfig(EVERYTHING);
  const optimiser = { ...config.optimiser, steps: STEPS };
  const run = await tune(folder, device.kind, await tuneBase(), { ...config, optimiser }, { device });
  return [...run.losses.values()];
}

for (const [kind, losses] of Object.entries({ base, experts })) {
  const of: Record<string, number[]> = {};
  for (const [name, open] of Object.entries(openers)) {
    const device = await open();
    of[name] = await losses(device);
    await device.dispose();
  }
  process.stdout.write(`${JSON.stringify({ kind, ...of })}\n`);
}
await rm(folder, { recursive: true });
