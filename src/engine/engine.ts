/**
 * The engine: many requests, one model. A step = schedule → forward → take in; they run for as long as there is work.
 * It sees token ids only; text, stop strings and HTTP are the caller's. Not here either: loading of weights or shards.
 */
import { CallerError, InternalError } from '../base/errors.ts';
import { silentLogger, type Logger } from '../base/logger.ts';
import type { ModelRunner, ResidentShard, Route, StepResult } from '../model/runner.ts';
import { buildBatch, type BuiltBatch } from './batch.ts';
import { checkRequest } from './check-request.ts';
import { failureOf, Intake } from './intake.ts';
import { chunksBehind } from './overlap.ts';
import type { GenerateRequest, TokenEvent } from './request.ts';
import { runStep } from './run-step.ts';
import { Scheduler } from './scheduler.ts';
import { Sequence } from './sequence.ts';

interface StepUnderWay {
  readonly built: BuiltBatch;
  readonly result: Promise<StepResult>;
}

export interface EngineOptions {
  /** Requests that hold pages at one time. Default 32, never above the runner's batch. */
  readonly maxSequences?: number;
  /** Requests that wait for pages; one more is refused with code `overloaded`. Default 64. */
  readonly maxWaiting?: number;
  /** Prompt tokens per step. Default: the runner's batch. */
  readonly prefillTokens?: number;
  /** Bytes of logits that one step may return, beyond one row per request. Default 64 MiB. */
  readonly logitBytes?: number;
  /** Failed steps in a row after which the engine reports itself dead. Default 3. */
  readonly maxFailures?: number;
  /** Seeds of requests that name none. Default: cryptographic randomness. */
  readonly drawSeed?: () => number;
  readonly logger?: Logger;
}

export interface EngineStats {
  readonly running: number;
  readonly waiting: number;
  /** Requests that run at one time at most. */
  readonly maxSequences: number;
  readonly pages: number;
  readonly freePages: number;
  /** Longest prompt plus answer that fits. */
  readonly maxLength: number;
  readonly steps: number;
  readonly promptTokens: number;
  readonly generatedTokens: number;
  readonly preemptions: number;
  /** False after too many failures in a row or after `close`: nothing is accepted any more. */
  readonly alive: boolean;
}

export class Engine {
  readonly #runner: ModelRunner;
  readonly #scheduler: Scheduler;
  readonly #intake: Intake;
  readonly #maxSequences: number;
  readonly #maxWaiting: number;
  readonly #maxFailures: number;
  readonly #maxLength: number;
  readonly #drawSeed: () => number;
  readonly #logger: Logger;
  readonly #shardIds = new WeakMap<ResidentShard, number>();
  readonly #counts = { steps: 0, shards: 0, failures: 0 };
  readonly #failed = Promise.withResolvers<InternalError>();
  #loop: Promise<void> | undefined;
  #stopped: InternalError | undefined;

  constructor(runner: ModelRunner, options: EngineOptions = {}) {
    // A sequence has one route and decodes one token, so neither bound of the model can be passed then.
    const maxSequences = Math.min(
      options.maxSequences ?? 32,
      runner.maxBatchTokens,
      runner.maxRoutes ?? Number.POSITIVE_INFINITY,
    );
    this.#maxSequences = maxSequences;
    const logitBytes = options.logitBytes ?? 64 * 1024 * 1024;
    this.#runner = runner;
    this.#intake = new Intake(runner.vocabularySize);
    this.#maxWaiting = options.maxWaiting ?? 64;
    this.#maxFailures = options.maxFailures ?? 3;
    this.#maxLength = Math.min(runner.maxPositions, runner.pages * runner.pageSize);
    this.#drawSeed = options.drawSeed ?? (() => crypto.getRandomValues(new Uint32Array(1))[0]!);
    this.#logger = options.logger ?? silentLogger;
    this.#scheduler = new Scheduler(runner.pages, {
      pageSize: runner.pageSize,
      maxBatchTokens: runner.maxBatchTokens,
      maxSequences,
      prefillTokens: Math.min(options.prefillTokens ?? runner.maxBatchTokens, runner.maxBatchTokens),
      maxLogitRows: Math.max(maxSequences, Math.floor(logitBytes / (4 * runner.vocabularySize))),
    });
  }

  /**
   * Enqueues at once and returns the request's events. Throws `CallerError` (`overloaded`, `context_length_exceeded`,
   * `invalid_request`) or `InternalError('engine_stopped')`. Aborting the signal, or leaving the loop early, takes the
   * request out before the next step; after an abort the events end with `CallerError('cancelled')`.
   */
  generate(request: GenerateRequest, signal?: AbortSignal): AsyncIterableIterator<TokenEvent, undefined> {
    if (this.#stopped) throw this.#stopped;
    checkRequest(request, { vocabularySize: this.#runner.vocabularySize, maxLength: this.#maxLength });
    this.#runner.checkRoute?.(request.route);
    if (this.#scheduler.waiting.length >= this.#maxWaiting) {
      throw new CallerError(
        'overloaded',
        'The server is busy and its queue is full: try again a little later.',
      );
    }
    const sequence = new Sequence(request, {
      routeKey: this.#routeKey(request.route),
      seed: request.sampling.seed ?? this.#drawSeed(),
      maxLength: Math.min(this.#maxLength, request.prompt.length + request.maxTokens),
    });
    const cancel = (): void => sequence.end(new CallerError('cancelled', 'The request was cancelled.'));
    if (signal?.aborted) {
      cancel();
      sequence.release();
    } else {
      signal?.addEventListener('abort', cancel, { once: true });
      sequence.onEnd = () => signal?.removeEventListener('abort', cancel);
      this.#scheduler.add(sequence);
      this.#loop ??= this.#run();
    }
    return sequence.events;
  }

  stats(): EngineStats {
    const { allocator, running, waiting, preemptions } = this.#scheduler;
    return {
      running: running.length,
      waiting: waiting.length,
      maxSequences: this.#maxSequences,
      pages: allocator.pages,
      freePages: allocator.free,
      maxLength: this.#maxLength,
      steps: this.#counts.steps,
      promptTokens: this.#intake.promptTokens,
      generatedTokens: this.#intake.generatedTokens,
      preemptions,
      alive: this.#stopped === undefined,
    };
  }

  /** Resolves with the reason when the engine ended by a failure; never, where `close` ended it. */
  get failed(): Promise<InternalError> {
    return this.#failed.promise;
  }

  /** The runner is gone for good: what runs or waits fails with this error, and so does all that comes. */
  fail(error: InternalError): void {
    if (this.#stopped) return;
    this.#stop(error);
    this.#failed.resolve(error);
  }

  /** Fails what still runs or waits, and resolves when the runner is idle. Drain first where that matters. */
  async close(): Promise<void> {
    this.#stop(new InternalError('engine_stopped', 'The engine is shut down.'));
    await this.#loop;
  }

  async #run(): Promise<void> {
    // The submitter's synchronous code goes on first, so that requests that arrive together share the first batch.
    await breathe();
    let step = this.#begin();
    while (step) {
      const behind = this.#beginBehind(step);
      const done = await this.#complete(step, behind);
      if (!behind) this.#removeEnded();
      await breathe();
      step = done && behind ? behind : this.#begin();
    }
    this.#loop = undefined;
  }

  /** Nothing is under way. */
  #begin(): StepUnderWay | undefined {
    this.#removeEnded();
    const chunks = this.#stopped ? [] : this.#scheduler.schedule();
    return chunks.length === 0 ? undefined : this.#launch(buildBatch(chunks));
  }

  #beginBehind({ built }: StepUnderWay): StepUnderWay | undefined {
    const chunks = this.#stopped ? undefined : chunksBehind(built, this.#scheduler, this.#runner);
    return chunks && this.#launch(buildBatch(chunks, true));
  }

  #launch(built: BuiltBatch): StepUnderWay {
    const result = runStep(this.#runner, built.batch);
    // It may fail before anybody waits for it.
    result.catch(() => {});
    return { built, result };
  }

  /** False where it failed; then nothing is under way any more. */
  async #complete({ built, result }: StepUnderWay, behind: StepUnderWay | undefined): Promise<boolean> {
    try {
      this.#intake.take(built.results, await result);
    } catch (error) {
      // Its sequences' pages and routes are read until then.
      await behind?.result.catch(() => {});
      this.#onRunnerFailure(error, built);
      return false;
    }
    this.#counts.steps += 1;
    this.#counts.failures = 0;
    return true;
  }

  #onRunnerFailure(error: unknown, { results }: BuiltBatch): void {
    this.#counts.failures += 1;
    const detail = error instanceof Error ? error.message : String(error);
    this.#logger.error(
      { detail, requests: results.length, failures: this.#counts.failures },
      'forward pass failed',
    );
    for (const { chunk } of results) chunk.sequence.end(failureOf(error));
    this.#removeEnded();
    if (this.#counts.failures >= this.#maxFailures) {
      this.fail(new InternalError('engine_stopped', 'The engine stopped: the model keeps failing.'));
    }
  }

  /** A step under way still reads pages and routes: the loop releases them when it is over. */
  #stop(reason: InternalError): void {
    this.#stopped ??= reason;
    for (const sequence of [...this.#scheduler.running, ...this.#scheduler.waiting]) {
      sequence.end(this.#stopped);
    }
  }

  #removeEnded(): void {
    for (const sequence of [...this.#scheduler.running, ...this.#scheduler.waiting]) {
      if (!sequence.ended) continue;
      this.#scheduler.remove(sequence);
      sequence.release();
    }
  }

  /** Equal routes share a row of the batch; a shard that was loaded anew is another shard. */
  #routeKey(route: Route): string {
    const parts = route.shards.map(({ shard, prior }) => {
      let id = this.#shardIds.get(shard);
      if (id === undefined) {
        id = this.#counts.shards += 1;
        this.#shardIds.set(shard, id);
      }
      return `${id}:${prior}`;
    });
    return parts.join(' ');
  }
}

/** Lets timers and sockets run between steps: a runner on one thread resolves without ever doing so. */
function breathe(): Promise<void> {
  if (typeof setImmediate === 'function') return new Promise((resolve) => setImmediate(resolve));
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.addEventListener('message', () => {
      port1.close();
      resolve();
    });
    port1.start();
    port2.postMessage(null);
  });
}
