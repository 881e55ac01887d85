/** Both directions, an odd half, position 0 and positions far out. */
import type { KernelCase } from '../kernel.ts';
import { createCaseRandom } from '../random-case.ts';

export const cases: readonly KernelCase[] = [
  { T: 1, H: 1, D: 2, far: 1, theta: 10_000, direction: 1 },
  { T: 5, H: 3, D: 6, far: 40, theta: 10_000, direction: 1 },
  { T: 7, H: 2, D: 32, far: 1000, theta: 1_000_000, direction: 1 },
  { T: 7, H: 2, D: 32, far: 1000, theta: 1_000_000, direction: -1 },
  { T: 9, H: 1, D: 20, far: 5000, theta: 1_000_000, direction: 1 },
].map(({ T, H, D, far, theta, direction }) => {
  const random = createCaseRandom(T * D + far);
  const positions = random.integers(T, far);
  positions[0] = 0;
  return {
    title: `${T} tokens, ${H} heads of ${D}, positions below ${far}, direction ${direction}`,
    params: { T, H, D, theta, direction },
    inputs: { x: random.normals(T * H * D), positions },
    outputs: {},
  };
});
