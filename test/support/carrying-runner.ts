/**
 * The hash model as a device that takes a step while the one before is under way: it computes and answers in the order of
 * the calls, and only then knows the tokens that a step carries over.
 */
import { runStep } from '../../src/engine/run-step.ts';
import { SeenTokens } from '../../src/engine/seen-tokens.ts';
import { NO_TOKEN, type ModelRunner, type StepBatch, type StepResult } from '../../src/model/runner.ts';
import { HashRunner, type HashRunnerOptions } from './hash-runner.ts';

export interface CarryingRunnerOptions extends HashRunnerOptions {
  /** Awaited after a step has computed, before its results are known to the engine. */
  readonly after?: (step: number) => Promise<void> | void;
}

export class CarryingRunner implements ModelRunner {
  readonly model: HashRunner;
  readonly maxCarried: number = 32;
  /** `begin 1`, `end 1` and so on, `begin 2 carried` for a step behind another. */
  readonly log: string[] = [];
  readonly #after: (step: number) => Promise<void> | void;
  #tokens: Uint32Array = new Uint32Array(0);
  #computed: Promise<unknown> = Promise.resolve();
  #answered: Promise<unknown> = Promise.resolve();
  #steps = 0;

  constructor({ after = () => {}, ...options }: CarryingRunnerOptions = {}) {
    this.model = new HashRunner(options);
    this.#after = after;
  }

  get vocabularySize(): number {
    return this.model.vocabularySize;
  }
  get maxPositions(): number {
    return this.model.maxPositions;
  }
  get pageSize(): number {
    return this.model.pageSize;
  }
  get pages(): number {
    return this.model.pages;
  }
  get maxBatchTokens(): number {
    return this.model.maxBatchTokens;
  }

  async forward(): Promise<Float32Array> {
    throw new Error('a runner with `step` is not asked for `forward`');
  }

  async step(batch: StepBatch): Promise<StepResult> {
    const step = (this.#steps += 1);
    this.log.push(`begin ${step}${batch.carried ? ' carried' : ''}`);
    // As it is now: what a request has seen grows when the step before is taken in.
    const draws = batch.draws.map((draw) => ({ ...draw, seen: draw.seen.slice() }));
    const computed = this.#computed.then(() => this.#compute({ ...batch, draws }));
    this.#computed = computed.catch(() => {});
    const answered = this.#answered.then(() => this.#answer(step, computed));
    this.#answered = answered.catch(() => {});
    return answered;
  }

  async #answer(step: number, computed: Promise<StepResult>): Promise<StepResult> {
    try {
      return await computed;
    } finally {
      await this.#after(step);
      this.log.push(`end ${step}`);
    }
  }

  async #compute(batch: StepBatch): Promise<StepResult> {
    // Longer than the engine takes to send the next.
    await new Promise((resolve) => setTimeout(resolve, 1));
    if (batch.carried && this.#tokens.length !== batch.tokens.length) throw new Error('other rows');
    const tokens = batch.carried
      ? this.#tokens.map((token) => (token === NO_TOKEN ? 0 : token))
      : batch.tokens;
    const draws = batch.draws.map((draw, row) =>
      batch.carried ? { ...draw, seen: withOneMore(draw.seen, tokens[row]!) } : draw,
    );
    const result = await runStep(this.model, { ...batch, tokens, draws, carried: false });
    this.#tokens = result.tokens;
    return result;
  }
}

function withOneMore(seen: Uint32Array, token: number): Uint32Array {
  if (seen.length === 0) return seen;
  const tokens = seen.filter((_, index) => index % 2 === 0);
  const generated = Array.from(tokens, (known, entry) => Array<number>(seen[2 * entry + 1]!).fill(known));
  const answer = Uint32Array.from([...generated.flat(), token]);
  return new SeenTokens(tokens, answer, tokens.length + 1).pairs;
}
