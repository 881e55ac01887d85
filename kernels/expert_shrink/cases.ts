/**
 * Ranks and widths beside the vector width, places without an expert, experts that several tokens share, more of
 * them than are multiplied together.
 */
import type { KernelCase } from '../kernel.ts';
import { createCaseRandom } from '../random-case.ts';

const SHAPES = [
  { T: 1, K: 1, R: 1, N: 1, S: 1 },
  { T: 3, K: 2, R: 4, N: 7, S: 5 },
  { T: 9, K: 2, R: 8, N: 20, S: 6 },
  { T: 17, K: 4, R: 5, N: 33, S: 9 },
  { T: 300, K: 1, R: 12, N: 24, S: 2 },
  { T: 50, K: 2, R: 16, N: 300, S: 3 },
  { T: 5, K: 3, R: 16, N: 260, S: 12 },
];

export const cases: readonly KernelCase[] = SHAPES.map(({ T, K, R, N, S }) => {
  const random = createCaseRandom(T * R);
  return {
    title: `${T} tokens, ${K} of ${S} experts of rank ${R}, width ${N}`,
    params: { T, K, R, N },
    inputs: { x: random.normals(T * N), a: random.normals(S * R * N), slots: random.expertSlots(T, K, S) },
    outputs: { h: T * K * R },
  };
});
