/** Gates far out on both sides, where exp overflows, among ordinary ones. */
import type { KernelCase } from '../kernel.ts';
import { createCaseRandom } from '../random-case.ts';

export const cases: readonly KernelCase[] = [1, 3, 16, 37, 40_003].map((n) => {
  const random = createCaseRandom(n);
  return {
    title: `${n} elements`,
    params: { n },
    inputs: { gate: random.normals(n, n === 37 ? 100 : 2), up: random.normals(n) },
    outputs: { y: n },
  };
});
