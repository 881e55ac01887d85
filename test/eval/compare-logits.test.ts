import { expect, test } from 'vitest';
import { LogitComparison, surprise } from '../../src/eval/compare-logits.ts';

const logs = (...probabilities: number[]): Float32Array => Float32Array.from(probabilities, Math.log);

test('the divergence of known distributions', () => {
  const comparison = new LogitComparison();
  comparison.add(logs(0.5, 0.25, 0.25), logs(0.25, 0.5, 0.25));
  comparison.add(logs(0.5, 0.25, 0.25), logs(0.5, 0.25, 0.25));
  const { tokens, divergence, sameChoice } = comparison.result();
  expect(tokens).toBe(2);
  expect(divergence).toBeCloseTo((0.5 * Math.log(2) + 0.25 * Math.log(0.5)) / 2, 6);
  expect(sameChoice).toBe(0.5);
});

test('what is added to all logits of a token changes nothing', () => {
  const comparison = new LogitComparison();
  const row = Float32Array.of(3, -1, 0.5, 2);
  comparison.add(
    row,
    row.map((value) => value + 7),
  );
  const { divergence, logitError } = comparison.result();
  expect(divergence).toBeCloseTo(0, 6);
  expect(logitError).toBeCloseTo(0, 6);
});

test('the logit error is the root mean square of what is left', () => {
  const comparison = new LogitComparison();
  comparison.add(Float32Array.of(0, 0, 0, 0), Float32Array.of(2, -2, 2, -2));
  comparison.add(Float32Array.of(1, 2, 3, 4), Float32Array.of(1, 2, 3, 4));
  expect(comparison.result().logitError).toBeCloseTo(Math.sqrt(2), 6);
});

test('surprise is minus the log probability', () => {
  expect(surprise(Float32Array.of(500, 500 + Math.log(3)), 1)).toBeCloseTo(-Math.log(0.75), 4);
});
