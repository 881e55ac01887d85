/** Indices that repeat and that are NONE, and a length that spreads over items. */
import { NONE, type KernelCase } from '../kernel.ts';
import { createCaseRandom } from '../random-case.ts';

export const cases: readonly KernelCase[] = [
  { M: 1, N: 1 },
  { M: 37, N: 5 },
  { M: 9001, N: 300 },
].map(({ M, N }) => {
  const random = createCaseRandom(M);
  const index = random.integers(M, N).map((i, m) => (m % 7 === 3 ? NONE : i));
  const x = random.integers(N, 1000).map((value, i) => (i % 5 === 4 ? NONE : value));
  return { title: `${M} of ${N}`, params: { M }, inputs: { x, index }, outputs: { y: M } };
});
