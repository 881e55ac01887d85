/** Chunks that do not divide the length, and more parts than elements. */
import type { KernelCase } from '../kernel.ts';
import { createCaseRandom } from '../random-case.ts';

export const cases: readonly KernelCase[] = [
  { n: 1, parts: 1 },
  { n: 1000, parts: 7 },
  { n: 37, parts: 5 },
  { n: 3, parts: 8 },
  { n: 40_003, parts: 64 },
].map(({ n, parts }) => ({
  title: `${n} elements in ${parts} parts`,
  params: { n, parts },
  inputs: { x: createCaseRandom(n).normals(n) },
  outputs: { partial: parts },
}));
