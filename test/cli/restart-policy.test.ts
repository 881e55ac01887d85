import { expect, test } from 'vitest';
import { createRestartPolicy } from '../../src/cli/restart-policy.ts';

test('a process is started again a few times, ever later, then no more', () => {
  const policy = createRestartPolicy();
  expect([0, 1, 2, 3, 4, 5].map((second) => policy.next(second * 1000))).toEqual([
    500,
    1000,
    2000,
    4000,
    8000,
    null,
  ]);
});

test('what ended long ago does not count', () => {
  const policy = createRestartPolicy();
  for (let hour = 0; hour < 20; hour++) expect(policy.next(hour * 3_600_000)).toBe(500);
});
