import { expertProductShapes } from '../expert-product-shapes.ts';
import type { KernelCase } from '../kernel.ts';
import { createCaseRandom } from '../random-case.ts';

export const cases: readonly KernelCase[] = expertProductShapes.map(({ T, N, M, K, R, S }) => {
  const random = createCaseRandom(T * N + M);
  return {
    title: `${T} rows of ${N}, ${M} results, ${K} of ${S} experts of rank ${R}`,
    params: { T, N, M, K, R },
    inputs: {
      x: random.normals(T * N),
      w: random.normals(2 * M * N, 1 / Math.sqrt(N)),
      h: random.normals(T * K * 2 * R),
      b: random.normals(S * 2 * M * R, 0.3),
      slots: random.expertSlots(T, K, S),
      weights: random.uniforms(T * K, 0, 1),
      scales: random.uniforms(S, 0.5, 4),
    },
    outputs: { y: T * M },
  };
});
