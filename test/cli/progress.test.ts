/** What a run tells while it goes, where no terminal is: a line every half minute, and its last state at the end. */
import { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { createProgress } from '../../src/cli/progress.ts';
import type { TimedStep } from '../../src/train/run.ts';

function start(isTerminal: boolean) {
  let written = '';
  let now = 1000;
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      written += chunk.toString('utf8');
      done();
    },
  });
  const progress = createProgress(2048, { stream, isTerminal, now: () => now });
  const step = (
    at: number,
    ms: number,
    more: Partial<TimedStep> = {},
    validation: number | null = null,
  ): void => {
    now += ms;
    const result = { loss: 5, tokens: 1000, gradientNorm: 1, learningRate: 1e-3, ms, ...more };
    progress.step(at, result, validation);
  };
  return { progress, step, lines: () => written.split('\n').filter((line) => line !== '') };
}

test('a line every 30 seconds, with speed and what is left', () => {
  const { progress, step, lines } = start(false);
  progress.start(100, 1000);
  for (let at = 101; at <= 170; at++) step(at, 1024, {}, at < 130 ? null : 4.5);
  expect(lines()).toEqual([
    '130/1000 steps | loss 5.000 | valid 4.500 | 2,000 tokens/s | 15m left',
    '160/1000 steps | loss 5.000 | valid 4.500 | 2,000 tokens/s | 14m left',
  ]);
  progress.stop();
  expect(lines().at(-1)).toMatch(/^170\/1000 steps/);
  progress.stop();
  expect(lines()).toHaveLength(3);
});

test('the contrastive loss is shown where there is one', () => {
  const { progress, step, lines } = start(false);
  progress.start(0, 20_000);
  step(1, 1000, { contrast: 2.25 });
  progress.stop();
  expect(lines()).toEqual([
    '1/20000 steps | loss 5.000 | contrast 2.250 | valid – | 2,048 tokens/s | 5h33m left',
  ]);
});

test('a run that never started says nothing', () => {
  for (const isTerminal of [true, false]) {
    const { progress, lines } = start(isTerminal);
    progress.stop();
    expect(lines()).toEqual([]);
  }
});
