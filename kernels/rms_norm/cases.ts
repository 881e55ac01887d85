/** Shapes beside the vector width; rows of zeros, of large and of non-finite numbers. */
import type { KernelCase } from '../kernel.ts';
import { createCaseRandom } from '../random-case.ts';

const SHAPES = [
  { rows: 1, C: 1 },
  { rows: 3, C: 5 },
  { rows: 7, C: 16 },
  { rows: 2, C: 257 },
  { rows: 65, C: 30 },
];

export const cases: readonly KernelCase[] = [
  ...SHAPES.map((shape) => rmsNormCase(shape)),
  rmsNormCase({ rows: 4, C: 20 }, 'rows of zeros, large, tiny and not a number', (x, C) => {
    x.fill(0, 0, C);
    for (let c = 0; c < C; c++) {
      x[C + c]! *= 1e12;
      x[2 * C + c]! *= 1e-6;
    }
    x[3 * C + 2] = NaN;
  }),
];

function rmsNormCase(
  { rows, C }: { rows: number; C: number },
  title = `${rows} rows of ${C}`,
  change: (x: Float32Array, C: number) => void = () => {},
): KernelCase {
  const random = createCaseRandom(rows + C);
  const x = random.normals(rows * C);
  change(x, C);
  return {
    title,
    params: { rows, C, epsilon: 1e-6 },
    inputs: { x, weight: random.normals(C) },
    outputs: { y: rows * C, inverse_rms: rows },
  };
}
