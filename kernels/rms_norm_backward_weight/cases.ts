/** Shapes beside the vector width, on what the forward pass left. */
import type { KernelCase } from '../kernel.ts';
import { rmsNormReference } from '../rms_norm/rms_norm.reference.ts';
import { createCaseRandom } from '../random-case.ts';

const SHAPES = [
  { rows: 1, C: 1 },
  { rows: 3, C: 5 },
  { rows: 7, C: 16 },
  { rows: 2, C: 257 },
  { rows: 65, C: 30 },
];

export const cases: readonly KernelCase[] = SHAPES.map(({ rows, C }) => {
  const random = createCaseRandom(rows + C);
  const x = random.normals(rows * C);
  const inverse_rms = new Float32Array(rows);
  const forward = { x, weight: random.normals(C), y: new Float32Array(rows * C), inverse_rms };
  rmsNormReference(forward, { rows, C, epsilon: 1e-6 });
  return {
    title: `${rows} rows of ${C}`,
    params: { rows, C },
    inputs: { x, inverse_rms, dy: random.normals(rows * C), dweight: random.normals(C) },
    outputs: {},
  };
});
