/** The loop of a training run: batches in, steps out, checkpoints and validation every so often. */
import type { Batch, StepResult, Trainer } from './trainer.ts';

export interface RunHooks {
  /** The batch of a step, counted from 0; the same for the same step, so that a run can be resumed. */
  readonly batchAt: (step: number) => Batch;
  readonly onStep: (step: number, result: StepResult) => void | Promise<void>;
  readonly saveEvery: number;
  readonly save: () => Promise<void>;
  readonly validateEvery: number;
  readonly validate: () => Promise<void>;
  readonly signal: AbortSignal;
}

/** Runs from the trainer's step to `totalSteps`, or until aborted; saves at the end either way. */
export async function runTraining(trainer: Trainer, totalSteps: number, hooks: RunHooks): Promise<void> {
  while (trainer.step < totalSteps && !hooks.signal.aborted) {
    const result = await trainer.train(hooks.batchAt(trainer.step));
    await hooks.onStep(trainer.step, result);
    if (trainer.step % hooks.validateEvery === 0) await hooks.validate();
    if (trainer.step % hooks.saveEvery === 0) await hooks.save();
  }
  await hooks.validate();
  await hooks.save();
}
