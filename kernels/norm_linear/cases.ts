/** Rows and columns on either side of every device's tiles; sums of one block and of several. */
import type { KernelCase } from '../kernel.ts';
import { createCaseRandom } from '../random-case.ts';

const SHAPES = [
  { T: 1, N: 4, M: 1 },
  { T: 1, N: 32, M: 70 },
  { T: 3, N: 260, M: 7 },
  { T: 5, N: 64, M: 9 },
  { T: 19, N: 300, M: 67 },
  { T: 26, N: 288, M: 258 },
  { T: 99, N: 36, M: 258 },
];

export const cases: readonly KernelCase[] = SHAPES.map(({ T, N, M }) => {
  const random = createCaseRandom(T * N + M);
  return {
    title: `${T} rows of ${N}, ${M} results`,
    params: { T, N, M, epsilon: 1e-3 },
    inputs: {
      x: random.normals(T * N, 0.1),
      norm: random.uniforms(N, 0.5, 1.5),
      w: random.normals(M * N),
    },
    outputs: { y: T * M },
  };
});
