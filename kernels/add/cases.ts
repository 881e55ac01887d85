/** Lengths around the vector width, and one that spreads over threads. */
import type { KernelCase } from '../kernel.ts';
import { createCaseRandom } from '../random-case.ts';

export const cases: readonly KernelCase[] = [1, 3, 16, 37, 40_003].map((n) => {
  const random = createCaseRandom(n);
  return {
    title: `${n} elements`,
    params: { n },
    inputs: { x: random.normals(n), y: random.normals(n) },
    outputs: {},
  };
});
