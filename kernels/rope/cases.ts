/** Both directions, an odd half, the first and the last position of the table. */
import type { KernelCase } from '../kernel.ts';
import { createCaseRandom } from '../random-case.ts';

export const cases: readonly KernelCase[] = [
  { T: 1, H: 1, D: 2, length: 1, direction: 1 },
  { T: 5, H: 3, D: 6, length: 40, direction: 1 },
  { T: 7, H: 2, D: 32, length: 300, direction: 1 },
  { T: 7, H: 2, D: 32, length: 300, direction: -1 },
  { T: 9, H: 1, D: 20, length: 1000, direction: 1 },
].map(({ T, H, D, length, direction }) => {
  const random = createCaseRandom(T * D + length);
  const positions = random.integers(T, length);
  positions[0] = 0;
  positions[T - 1] = length - 1;
  const angles = random.uniforms((length * D) / 2, -Math.PI, Math.PI);
  return {
    title: `${T} tokens, ${H} heads of ${D}, ${length} positions, direction ${direction}`,
    params: { T, H, D, direction },
    inputs: {
      x: random.normals(T * H * D),
      positions,
      table: Float32Array.from({ length: length * D }, (_, i) =>
        (i % 2 ? Math.sin : Math.cos)(angles[i >> 1]!),
      ),
    },
    outputs: {},
  };
});
