/** Repeated ids, the last row, and widths beside the vector width. */
import type { KernelCase } from '../kernel.ts';
import { createCaseRandom } from '../random-case.ts';

export const cases: readonly KernelCase[] = [
  { T: 1, C: 1, V: 1 },
  { T: 5, C: 7, V: 3 },
  { T: 19, C: 36, V: 50 },
  { T: 6, C: 8, V: 9 },
  { T: 7, C: 96, V: 11 },
].map(({ T, C, V }) => {
  const random = createCaseRandom(T);
  const ids = random.integers(T, V);
  ids[T - 1] = V - 1;
  return {
    title: `${T} tokens of ${C} channels`,
    params: { T, C },
    inputs: { ids, table: random.normals(V * C) },
    outputs: { y: T * C },
  };
});
