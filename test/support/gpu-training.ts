/** Training on a device against the reference device in doubles: loss, gradients, and the weights after some steps. */
import assert from 'node:assert/strict';
import type { Device } from '../../src/tensor/device.ts';
import { createReferenceDevice } from '../../src/tensor/reference/reference-device.ts';
import type { Batch, Trainer } from '../../src/train/trainer.ts';
import { normalisedError } from './check-kernel.ts';
import {
  baseTrainer,
  expertTrainer,
  randomBatch,
  readArena,
  smallModel,
  withShards,
} from './tiny-trainer.ts';

const STEPS = 3;

/** Gradients of whole networks go through some thirty kernels, each at most 1e-11 off. */
const TOLERANCE = 1e-9;

export async function checkBaseTraining(device: Device): Promise<void> {
  await compare(device, openBase, randomBatch(4));
}

export async function checkExpertTraining(device: Device): Promise<void> {
  const active = [
    { shards: [0], priors: [1] },
    { shards: [1, 2], priors: [6 / 8, 2 / 8] },
    { shards: [], priors: [] },
  ];
  await compare(device, openExperts, withShards(randomBatch(4), active));
}

async function openBase(device: Device): Promise<Trainer> {
  return baseTrainer(device, await smallModel());
}

async function openExperts(device: Device): Promise<Trainer> {
  return expertTrainer(device, await smallModel());
}

async function compare(device: Device, open: (on: Device) => Promise<Trainer>, batch: Batch): Promise<void> {
  const reference = createReferenceDevice({ precision: 'f64' });
  const expected = await open(reference);
  const actual = await open(device);
  for (let step = 1; step <= STEPS; step++) {
    const { loss } = await actual.train(batch);
    const { loss: wanted } = await expected.train(batch);
    assert(Math.abs(loss - wanted) < 1e-5, `step ${step}: loss ${loss}, expected ${wanted}`);
    if (step === 1) await compareArenas('gradients', actual, device, expected, reference);
  }
  await compareArenas('trained', actual, device, expected, reference);
}

async function compareArenas(
  arena: 'gradients' | 'trained',
  actual: Trainer,
  device: Device,
  expected: Trainer,
  reference: Device,
): Promise<void> {
  const wanted = await readArena(reference, expected.network[arena]);
  for (const [name, values] of await readArena(device, actual.network[arena])) {
    const error = normalisedError(values, wanted.get(name)!);
    assert(error <= TOLERANCE, `${arena}, ${name}: NMSE ${error}`);
  }
}
