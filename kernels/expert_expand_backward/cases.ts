/**
 * Ranks and widths beside the vector width, places without an expert, experts that several tokens share, more of
 * them than are multiplied together.
 */
import type { KernelCase } from '../kernel.ts';
import { createCaseRandom } from '../random-case.ts';

const SHAPES = [
  { T: 1, K: 1, R: 1, M: 1, S: 1 },
  { T: 3, K: 2, R: 4, M: 7, S: 5 },
  { T: 9, K: 2, R: 8, M: 20, S: 6 },
  { T: 17, K: 4, R: 5, M: 33, S: 9 },
  { T: 300, K: 1, R: 12, M: 24, S: 2 },
  { T: 50, K: 2, R: 16, M: 300, S: 3 },
  { T: 5, K: 3, R: 16, M: 260, S: 12 },
];

export const cases: readonly KernelCase[] = SHAPES.map(({ T, K, R, M, S }) => {
  const random = createCaseRandom(T * R);
  return {
    title: `${T} tokens, ${K} of ${S} experts of rank ${R}, width ${M}`,
    params: { T, K, R, M },
    inputs: {
      h: random.normals(T * K * R),
      b: random.normals(S * M * R),
      slots: random.expertSlots(T, K, S),
      weights: random.uniforms(T * K, 0, 1),
      scales: random.uniforms(S, 0.5, 4),
      dy: random.normals(T * M),
      dweights: random.normals(T * K),
    },
    outputs: { dh: T * K * R },
  };
});
