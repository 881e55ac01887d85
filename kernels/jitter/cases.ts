/** Lengths beside the vector width and over several items; a seed of zero; both ways to write; no jitter at all. */
import type { KernelCase } from '../kernel.ts';
import { createCaseRandom } from '../random-case.ts';

export const cases: readonly KernelCase[] = [
  { n: 1, seed: 0, epsilon: 0.01, accumulate: 0 },
  { n: 23, seed: 1, epsilon: 0, accumulate: 1 },
  { n: 30, seed: 0xffffffff, epsilon: 1, accumulate: 0 },
  { n: 20_007, seed: 123_456_789, epsilon: 0.5, accumulate: 1 },
].map(({ n, seed, epsilon, accumulate }) => {
  const random = createCaseRandom(n);
  return {
    title: `${n} elements, seed ${seed}, epsilon ${epsilon}, accumulate ${accumulate}`,
    params: { n, epsilon, accumulate },
    inputs: {
      x: random.normals(n),
      seed: Uint32Array.of(seed),
      y: accumulate ? random.normals(n) : new Float32Array(n).fill(NaN),
    },
    outputs: {},
  };
});
