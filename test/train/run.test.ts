/** The loop of a run: when it saves, when it ends, and that no state it would not go on from is ever kept. */
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { Device } from '../../src/tensor/device.ts';
import { createReferenceDevice } from '../../src/tensor/reference/reference-device.ts';
import { readTensor } from '../../src/tensor/tensors.ts';
import { EarlyStop } from '../../src/train/early-stop.ts';
import { LossGuard } from '../../src/train/loss-guard.ts';
import { openRunFolder } from '../../src/train/run-files.ts';
import { runTraining, type RunHooks } from '../../src/train/run.ts';
import { baseTrainer, randomBatch, smallModel, type TrainerChoices } from '../support/tiny-trainer.ts';

const directory = mkdtempSync(join(tmpdir(), 'run-'));
afterAll(() => rmSync(directory, { recursive: true }));
const RUN = 'a'.repeat(64);

/** A trainer, its folder, and a way to run it; `events` tells what the loop did. */
async function start(name: string, choices: TrainerChoices = {}) {
  const device: Device = createReferenceDevice();
  const trainer = await baseTrainer(device, await smallModel(), choices);
  const path = join(directory, name);
  const folder = await openRunFolder(path, RUN, device, trainer);
  await folder.resume();
  const events: string[] = [];
  const run = (totalSteps: number, hooks: Partial<RunHooks> = {}) =>
    runTraining(trainer, totalSteps, {
      batchAt: (step) => randomBatch(step % 4),
      onStep: async (step, { loss, tokens, ms }) => {
        events.push(`step ${step}`);
        await folder.metric({ step, loss, tokens, ms });
      },
      saveEvery: 2,
      save: async () => {
        await folder.save();
        events.push(`save ${trainer.step}`);
      },
      validateEvery: 3,
      validate: async () => {
        events.push(`validate ${trainer.step}`);
        await folder.metric({ step: trainer.step, validation: 1 });
        return 1;
      },
      best: folder.best,
      history: folder.history(),
      signal: new AbortController().signal,
      ...hooks,
    });
  const metrics = (): Record<string, number>[] =>
    readFileSync(join(path, 'metrics.jsonl'), 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line): Record<string, number> => JSON.parse(line));
  return { device, trainer, folder, path, events, run, metrics };
}

describe('the loop', () => {
  test('saves and validates in time and at its end, once', async () => {
    const { run, events, metrics } = await start('in-time');
    expect(await run(6)).toBe('finished');
    expect(events).toEqual([
      'step 1',
      'step 2',
      'save 2',
      'step 3',
      'validate 3',
      'step 4',
      'save 4',
      'step 5',
      'step 6',
      'validate 6',
      'save 6',
    ]);
    for (const { ms, validation } of metrics()) {
      if (validation === undefined) expect(ms).toBeGreaterThan(0);
    }
  });

  test('that is aborted ends after its step, saves and does not wait for a validation', async () => {
    const { run, events } = await start('aborted');
    const abort = new AbortController();
    const onStep = (step: number): void => {
      if (step === 3) abort.abort();
    };
    expect(await run(100, { onStep, signal: abort.signal, validateEvery: 2 })).toBe('interrupted');
    expect(events).toEqual(['validate 2', 'save 2', 'save 3']);
  });
});

describe('after a resume', () => {
  test('lines of lost steps and a torn one are gone, and every step is there once', async () => {
    const first = await start('resumed');
    await first.run(4);
    // What a process that was killed in its sixth step leaves behind.
    appendFileSync(
      join(first.path, 'metrics.jsonl'),
      '{"step":5,"loss":9}\n{"step":5,"validation":9}\n{"step":6,"lo',
    );
    const second = await start('resumed');
    expect(second.trainer.step).toBe(4);
    expect(second.folder.history().losses).toHaveLength(4);
    expect(second.folder.history().validations.map(({ step }) => step)).toEqual([3, 4]);
    await second.run(7);
    const steps = second.metrics().flatMap(({ step, loss }) => (loss === undefined ? [] : [step]));
    expect(steps).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(second.metrics().filter(({ loss }) => loss === 9)).toEqual([]);
  });

  test('a half-written state beside the whole one does no harm', async () => {
    const first = await start('half-state');
    await first.run(2);
    writeFileSync(join(first.path, 'state.safetensors.partial'), 'half');
    const second = await start('half-state');
    expect(second.trainer.step).toBe(2);
    expect(await second.run(4)).toBe('finished');
    expect(existsSync(join(first.path, 'state.safetensors.partial'))).toBe(false);
  });
});

describe('stopping on validation', () => {
  const stop = { patience: 2, minDelta: 0.1 };
  const validations = [5, 4, 3.95, 3, 2.95, 2.99, 2.5];
  /** Each of the validations in turn, one a step. */
  const falling = (trainer: { step: number }): Partial<RunHooks> => ({
    stop,
    validateEvery: 1,
    saveEvery: 2,
    validate: async () => validations[trainer.step - 1]!,
  });

  test('ends with the weights of the best one', async () => {
    const { run, trainer, device } = await start('converged');
    const weights: Float32Array[] = [];
    const onStep = async (): Promise<void> =>
      void weights.push(await readTensor(device, trainer.network.trained.whole));
    expect(await run(100, { ...falling(trainer), onStep })).toBe('converged');
    expect(weights).toHaveLength(6);
    expect(trainer.step).toBe(4);
    expect(await readTensor(device, trainer.network.trained.whole)).toEqual(weights[3]);
  });

  test('is over at once where the run goes on after its end', async () => {
    const { run, trainer } = await start('converged', {});
    const past = validations.slice(0, 6).map((validation, at) => ({ step: at + 1, validation }));
    const history = { losses: [], validations: past };
    const steps: number[] = [];
    const onStep = (step: number): void => void steps.push(step);
    expect(await run(100, { ...falling(trainer), history, onStep })).toBe('converged');
    expect(steps).toEqual([]);
    expect(trainer.step).toBe(4);
  });

  test('counts what was seen before', () => {
    expect(new EarlyStop(stop, [3, 3]).isOver).toBe(false);
    expect(new EarlyStop(stop, [3, 3, 2.95]).isOver).toBe(true);
    expect(new EarlyStop(stop, [3, 2.95, 2.85, 2.8]).isOver).toBe(false);
  });
});

/** A learning rate that no run bears. */
const cliff = (peak: number): TrainerChoices => ({
  schedule: { peak, warmupSteps: 1, floor: 1 },
  adamw: { maxNorm: 0 },
});

describe('a run that goes wrong', () => {
  test.each([
    ['explodes', 30, 'loss_exploded'],
    ['becomes NaN', 1e30, 'loss_not_finite'],
  ])(
    '%s, stops, says what to try, and the good state stays and can be gone on with',
    async (name, peak, code) => {
      const good = await start(name);
      await good.run(12);
      const state = readFileSync(join(good.path, 'state.safetensors'));
      const bad = await start(name, cliff(peak));
      await expect(bad.run(40, { saveEvery: 1 })).rejects.toMatchObject({
        code,
        message: expect.stringMatching(
          /^The loss of step 1[34] is .*The state of step 12 is kept as it was\. What to try: lower optimiser\.peakLearningRate/,
        ),
      });
      expect(readFileSync(join(good.path, 'state.safetensors')).equals(state)).toBe(true);
      expect(bad.events.filter((event) => event.startsWith('save'))).toEqual([]);
      const again = await start(name);
      expect(again.trainer.step).toBe(12);
      expect(await again.run(14)).toBe('finished');
    },
  );

  test('is not one whose loss is near zero, jumps once, or has no targets', () => {
    const guard = new LossGuard(Array.from({ length: 20 }, () => 0.01));
    guard.check(21, 0.5, 10);
    guard.check(22, 0, 0);
    expect(() => guard.check(23, 1.2, 10)).toThrow('step 23 is 1.20 nats after a median of 0.01');
    const early = new LossGuard([1, 1, 1]);
    early.check(4, 100, 10);
    expect(() => early.check(5, Infinity, 10)).toThrow('Infinity');
  });
});
