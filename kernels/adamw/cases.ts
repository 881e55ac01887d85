/** The first step and a late one; clipped, not clipped, clipping off; no gradient at all. */
import type { KernelCase } from '../kernel.ts';
import { createCaseRandom } from '../random-case.ts';

const SETTINGS = {
  learning_rate: 3e-3,
  beta1: 0.9,
  beta2: 0.95,
  epsilon: 1e-8,
  weight_decay: 0.1,
  correction1: 1 - 0.9 ** 20,
  correction2: 1 - 0.95 ** 20,
  max_norm: 1,
};

export const cases: readonly KernelCase[] = [
  adamwCase('clipped', 37, 3, 5),
  adamwCase('below the norm', 40, 1, 0.01),
  adamwCase('clipping off', 5, 4, 50, { max_norm: 0 }),
  adamwCase('one element, no decay', 1, 1, 1, { weight_decay: 0 }),
  adamwCase('first step', 50_001, 8, 1, { correction1: 1 - 0.9, correction2: 1 - 0.95 }, 0),
  adamwCase('no gradient yet', 9, 2, 0, {}, 0),
];

function adamwCase(
  title: string,
  n: number,
  parts: number,
  gradient: number,
  settings: Partial<typeof SETTINGS> = {},
  moments = 0.1,
): KernelCase {
  const random = createCaseRandom(n);
  return {
    title,
    params: { n, parts, ...SETTINGS, ...settings },
    inputs: {
      param: random.normals(n),
      grad: random.normals(n, gradient),
      m: random.normals(n, moments),
      v: random.uniforms(n, 0, moments),
      partial: random.uniforms(parts, 0, gradient),
    },
    outputs: {},
  };
}
