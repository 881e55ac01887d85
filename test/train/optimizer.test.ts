import { describe, expect, test } from 'vitest';
import { createReferenceDevice } from '../../src/tensor/reference/reference-device.ts';
import { createArena, readTensor } from '../../src/tensor/tensors.ts';
import { AdamW, learningRate, type AdamWOptions, type Schedule } from '../../src/train/optimizer.ts';
import {
  ADAMW,
  baseTrainer,
  fillArena,
  randomBatch,
  readArena,
  smallModel,
} from '../support/tiny-trainer.ts';

describe('the learning rate', () => {
  const schedule: Schedule = { peak: 2e-3, warmupSteps: 10, totalSteps: 110, floor: 0.1 };
  const at = (step: number): number => learningRate(schedule, step);
  const steps = Array.from({ length: 110 }, (_, i) => i + 1);

  test('rises in a line from the first step to the peak', () => {
    for (let step = 1; step <= 10; step++) expect(at(step)).toBeCloseTo((2e-3 * step) / 10, 12);
  });

  test('falls along a cosine to its floor at the last step, and stays there', () => {
    expect(at(35)).toBeCloseTo(2e-3 * (0.1 + 0.9 * 0.5 * (1 + Math.SQRT1_2)), 12);
    expect(at(60)).toBeCloseTo(2e-3 * 0.55, 12);
    expect(at(110)).toBeCloseTo(2e-4, 12);
    expect(at(111)).toBe(at(110));
    expect(at(100_000)).toBe(at(110));
  });

  test('never jumps, and never leaves the way up or down', () => {
    for (const step of steps.slice(1)) {
      const change = at(step) - at(step - 1);
      expect(Math.abs(change)).toBeLessThanOrEqual(2e-4 + 1e-12);
      expect(step <= 10 ? change > 0 : change < 0, `step ${step}`).toBe(true);
    }
  });

  test('is sane where the warm-up is all there is', () => {
    const short = { ...schedule, warmupSteps: 10, totalSteps: 10 };
    expect(learningRate(short, 10)).toBe(2e-3);
    expect(learningRate(short, 11)).toBeCloseTo(2e-4, 12);
    expect(learningRate({ ...short, totalSteps: 5 }, 5)).toBe(1e-3);
  });
});

/** One AdamW over two matrices and a norm, whose gradients are given. */
async function oneStep(options: Partial<AdamWOptions>, gradientScale = 1) {
  const device = createReferenceDevice({ precision: 'f64' });
  const shapes = new Map([
    ['matrix', [5, 20]],
    ['other', [3, 7]],
    ['norm', [20]],
  ]);
  const [trained, gradients] = ['trained', 'gradients'].map((label) => createArena(device, label, shapes));
  const values = (scale: number): Map<string, Float32Array> =>
    new Map(
      [...shapes].map(([name, shape]) => {
        const length = shape.reduce((product, size) => product * size, 1);
        return [name, Float32Array.from({ length }, (_, i) => scale * (1 + i / length))] as const;
      }),
    );
  await fillArena(device, trained!, values(1));
  await fillArena(device, gradients!, values(gradientScale));
  const optimizer = new AdamW(device, trained!, gradients!, { ...ADAMW, ...options });
  await device.submit(optimizer.step(1, 0.01));
  return { device, optimizer, values, trained: await readArena(device, trained!) };
}

describe('AdamW', () => {
  test('weight decay shrinks matrices, and no norm', async () => {
    const plain = await oneStep({ weightDecay: 0 });
    const decayed = await oneStep({ weightDecay: 0.5 });
    for (const [name, before] of plain.values(1)) {
      const [with_, without] = [decayed.trained.get(name)!, plain.trained.get(name)!];
      for (const [i, value] of without.entries()) {
        const expected = name === 'norm' ? value : value - 0.01 * 0.5 * before[i]!;
        expect(with_[i]!, `${name} ${i}`).toBeCloseTo(expected, 6);
      }
    }
  });

  test('a first step moves every weight by the rate, against its gradient, however large that is', async () => {
    for (const scale of [1e-3, -1, 50]) {
      const { values, trained } = await oneStep({ epsilon: 1e-12 }, scale);
      for (const [name, before] of values(1)) {
        for (const [i, value] of trained.get(name)!.entries()) {
          expect(value - before[i]!, `${name} ${i}`).toBeCloseTo(-0.01 * Math.sign(scale), 5);
        }
      }
    }
  });

  test('gradients above the global norm are scaled down to it, all by the same factor', async () => {
    const small = await oneStep({ maxNorm: 1 }, 1e-3);
    const large = await oneStep({ maxNorm: 1 }, 10);
    const free = await oneStep({ maxNorm: 0 }, 10);
    const norm = Math.sqrt(
      [...large.values(10).values()].flatMap((part) => [...part]).reduce((sum, g) => sum + g * g, 0),
    );
    const firsts = await Promise.all(
      [small, large, free].map(({ device, optimizer }) => readTensor(device, optimizer.first)),
    );
    for (const [i, first] of firsts[2]!.entries()) {
      expect(first).toBeCloseTo(0.1 * 1e4 * (firsts[0]![i]! / 0.1), 2);
      expect(firsts[1]![i]!).toBeCloseTo(first / norm, 6);
    }
    const squares = await readTensor(large.device, large.optimizer.squares);
    expect(Math.sqrt(squares.reduce((sum, part) => sum + part, 0)) / norm).toBeCloseTo(1, 6);
  });

  test('the padding between tensors stays zero', async () => {
    const device = createReferenceDevice();
    const trainer = await baseTrainer(device, await smallModel({ hiddenSize: 20 }), {
      adamw: { weightDecay: 0.1 },
    });
    const { trained } = trainer.network;
    for (const seed of [1, 2]) await trainer.train(randomBatch(seed));
    const whole = await readTensor(device, trained.whole);
    for (const { byteOffset, shape } of trained.tensors.values()) {
      whole.fill(0, byteOffset / 4, byteOffset / 4 + shape.reduce((product, size) => product * size, 1));
    }
    expect(whole.length).toBeGreaterThan([...trained.tensors].length);
    expect(whole.every((value) => value === 0)).toBe(true);
  });
});

test('a whole step decays the matrices of a base and none of its norms', async () => {
  const device = createReferenceDevice();
  const model = await smallModel();
  const trainer = await baseTrainer(device, model, { adamw: { weightDecay: 0.1 }, schedule: { peak: 0.5 } });
  // Nothing is learnt in this batch, so that all that happens is decay.
  await trainer.train(randomBatch(1, 0));
  for (const [name, values] of await readArena(device, trainer.network.trained)) {
    const before = model.tensors.get(name)!;
    const kept = name.endsWith('norm.weight') ? 1 : 1 - 0.5 * 0.1;
    for (const [i, value] of values.entries()) {
      expect(Math.abs(value - kept * before[i]!), `${name} ${i}`).toBeLessThan(1e-6);
    }
  }
});
