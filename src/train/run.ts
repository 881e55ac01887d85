/**
 * The loop of a training run: batches in, steps out, checkpoints and validation every so often. It may end at any
 * moment, by a signal, by what it measures, or by the death of the process, and goes on from its last saved state.
 */
import { InternalError } from '../base/errors.ts';
import { NONE } from '../tensor/device.ts';
import { EarlyStop } from './early-stop.ts';
import type { StopRule } from './early-stop.ts';
import { LossGuard } from './loss-guard.ts';
import type { RunHistory } from './metrics-file.ts';
import type { Batch, StepResult, Trainer } from './trainer.ts';

export interface TimedStep extends StepResult {
  /** Wall-clock time of the step, without what is done every so often. */
  readonly ms: number;
}

export interface RunHooks {
  /** The batch of a step, counted from 0; the same for the same step, so that a run can be resumed. */
  readonly batchAt: (step: number) => Batch;
  readonly onStep: (step: number, result: TimedStep) => void | Promise<void>;
  readonly saveEvery: number;
  readonly save: () => Promise<void>;
  readonly validateEvery: number;
  /** Mean loss in nats. */
  readonly validate: () => Promise<number>;
  /** Ends the run on validation, with the weights of its best one. */
  readonly stop?: StopRule | undefined;
  /** Keeps and brings back the weights of the best validation; used with `stop` only. */
  readonly best?: BestWeights;
  /** Of the steps before this process's. */
  readonly history?: RunHistory;
  readonly signal: AbortSignal;
}

export interface BestWeights {
  readonly keep: () => Promise<void>;
  readonly restore: () => Promise<void>;
}

/** `interrupted`: the same run goes on later. `converged`: validation has stopped getting better. */
export type RunEnd = 'finished' | 'converged' | 'interrupted';

/**
 * Runs from the trainer's step to `totalSteps`, until validation says stop, or until aborted; saves at the end.
 * Throws `InternalError('loss_not_finite' | 'loss_exploded')` without saving anything of the bad state.
 */
export async function runTraining(trainer: Trainer, totalSteps: number, hooks: RunHooks): Promise<RunEnd> {
  const { history = { losses: [], validations: [] } } = hooks;
  const loop = new Loop(trainer, totalSteps, hooks, history);
  try {
    return await loop.run();
  } catch (error) {
    throw isDivergence(error) ? withAdvice(error, loop.savedStep) : error;
  }
}

class Loop {
  savedStep: number;
  readonly #trainer: Trainer;
  readonly #totalSteps: number;
  readonly #hooks: RunHooks;
  readonly #guard: LossGuard;
  readonly #stop: EarlyStop | null;

  constructor(trainer: Trainer, totalSteps: number, hooks: RunHooks, history: RunHistory) {
    this.#trainer = trainer;
    this.#totalSteps = totalSteps;
    this.#hooks = hooks;
    this.savedStep = trainer.step;
    this.#guard = new LossGuard(history.losses);
    const past = history.validations.map(({ validation }) => validation);
    this.#stop = hooks.stop ? new EarlyStop(hooks.stop, past) : null;
  }

  async run(): Promise<RunEnd> {
    const trainer = this.#trainer;
    const { validateEvery, saveEvery, signal } = this.#hooks;
    while (trainer.step < this.#totalSteps && !signal.aborted && !this.#isOver) {
      await this.#step();
      const isLast = trainer.step === this.#totalSteps;
      if (isLast || trainer.step % validateEvery === 0) await this.#validate();
      if (isLast || trainer.step % saveEvery === 0 || this.#isOver) await this.#save();
    }
    if (trainer.step !== this.savedStep) await this.#save();
    if (trainer.step < this.#totalSteps && !this.#isOver) return 'interrupted';
    if (this.#stop) await this.#hooks.best?.restore();
    return this.#isOver ? 'converged' : 'finished';
  }

  get #isOver(): boolean {
    return this.#stop?.isOver ?? false;
  }

  async #step(): Promise<void> {
    const started = performance.now();
    const result = await this.#trainer.train(this.#hooks.batchAt(this.#trainer.step));
    const ms = Math.round((performance.now() - started) * 10) / 10;
    const { step } = this.#trainer;
    this.#guard.check(step, result.loss, result.tokens);
    await this.#hooks.onStep(step, { ...result, ms });
  }

  async #validate(): Promise<void> {
    const validation = await this.#hooks.validate();
    if (this.#stop?.isBetter(validation)) await this.#hooks.best?.keep();
  }

  /** A step's loss is that of the weights before it: what is saved is held against the next batch first. */
  async #save(): Promise<void> {
    const trainer = this.#trainer;
    const next = this.#hooks.batchAt(trainer.step);
    const losses = await trainer.score(next);
    const tokens = next.targets.reduce((count, target) => count + (target === NONE ? 0 : 1), 0);
    const loss = losses.reduce((sum, value) => sum + value, 0) / Math.max(1, tokens);
    this.#guard.check(trainer.step + 1, loss, 0);
    await this.#hooks.save();
    this.savedStep = trainer.step;
  }
}

function isDivergence(error: unknown): error is InternalError {
  return error instanceof InternalError && ['loss_not_finite', 'loss_exploded'].includes(error.code);
}

function withAdvice(error: InternalError, savedStep: number): InternalError {
  const kept =
    savedStep === 0 ? 'Nothing had been saved before' : `The state of step ${savedStep} is kept as it was`;
  const advice =
    'lower optimiser.peakLearningRate or optimiser.maxGradientNorm, or lengthen optimiser.warmupSteps, and start in a new folder; if it comes back at the same step, look at the data of that step';
  return new InternalError(error.code, `${error.message}. ${kept}. What to try: ${advice}.`, {
    cause: error,
  });
}
