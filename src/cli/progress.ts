/** How far a training run is: a bar on a terminal, elsewhere a line every half minute. */
import { Presets, SingleBar } from 'cli-progress';
import type { TimedStep } from '../train/run.ts';

export interface ProgressTarget {
  readonly stream: NodeJS.WritableStream;
  readonly isTerminal: boolean;
  /** Milliseconds, from any origin. */
  readonly now: () => number;
}

export interface Progress {
  start(step: number, totalSteps: number): void;
  step(step: number, result: TimedStep, validation: number | null): void;
  stop(): void;
}

const LINE_EVERY_MS = 30_000;
/** Share of the past in the moving averages. */
const KEEP = 0.95;

/** `tokensPerStep`: all of a batch, learned or not. */
export function createProgress(tokensPerStep: number, target: ProgressTarget): Progress {
  const show = target.isTerminal ? barDisplay(target) : lineDisplay(target);
  const loss = new Average();
  const contrast = new Average();
  const stepMs = new Average();
  // Validation and saving too, which the time that is left has to hold.
  const wallMs = new Average();
  let total = 0;
  let last = 0;
  return {
    start(step, totalSteps) {
      total = totalSteps;
      last = target.now();
      // One run's averages say nothing of the next.
      for (const average of [loss, contrast, stepMs, wallMs]) average.clear();
      show.start(step, total);
    },
    step(step, result, validation) {
      const now = target.now();
      wallMs.add(now - last);
      last = now;
      loss.add(result.loss);
      stepMs.add(result.ms);
      if (result.contrast !== undefined) contrast.add(result.contrast);
      const parts = [
        `loss ${loss.value.toFixed(3)}`,
        ...(contrast.isEmpty ? [] : [`contrast ${contrast.value.toFixed(3)}`]),
        `valid ${validation?.toFixed(3) ?? '–'}`,
        `${Math.round((tokensPerStep * 1000) / Math.max(1e-3, stepMs.value)).toLocaleString('en')} tokens/s`,
        `${showDuration((total - step) * wallMs.value)} left`,
      ];
      show.step(step, total, parts.join(' | '));
    },
    stop() {
      if (total > 0) show.stop();
    },
  };
}

interface Display {
  start(step: number, total: number): void;
  step(step: number, total: number, facts: string): void;
  stop(): void;
}

function barDisplay({ stream }: ProgressTarget): Display {
  const bar = new SingleBar({ format: '{bar} {value}/{total} steps | {facts}', stream }, Presets.rect);
  return {
    start: (step, total) => bar.start(total, step, { facts: '' }),
    step: (step, _total, facts) => bar.update(step, { facts }),
    stop: () => bar.stop(),
  };
}

function lineDisplay({ stream, now }: ProgressTarget): Display {
  let shown = now();
  let latest: string | null = null;
  const write = (): void => {
    if (latest !== null) stream.write(`${latest}\n`);
    latest = null;
    shown = now();
  };
  return {
    start() {
      shown = now();
    },
    step(step, total, facts) {
      latest = `${step}/${total} steps | ${facts}`;
      if (now() - shown >= LINE_EVERY_MS) write();
    },
    stop: write,
  };
}

/** Exponential moving average, of its first value at the start. */
class Average {
  #value: number | null = null;

  get value(): number {
    return this.#value ?? 0;
  }

  get isEmpty(): boolean {
    return this.#value === null;
  }

  clear(): void {
    this.#value = null;
  }

  add(value: number): void {
    this.#value = this.#value === null ? value : this.#value * KEEP + value * (1 - KEEP);
  }
}

/** Such as 45s, 12m or 3h05m. */
function showDuration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes}m`;
  return `${Math.floor(minutes / 60)}h${String(minutes % 60).padStart(2, '0')}m`;
}
