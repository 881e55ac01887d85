/** The gate's own cases behind a norm: the reference norms first, so that ties stay ties. */
import { cases as gateCases } from '../expert_gate/cases.ts';
import type { KernelCase } from '../kernel.ts';
import { createCaseRandom } from '../random-case.ts';

export const cases: readonly KernelCase[] = gateCases.map(({ title, params, inputs }) => {
  const { T = 0, C = 0, K = 0 } = params;
  const norm = createCaseRandom(T + C).uniforms(C, 0.5, 1.5);
  return {
    title,
    params: { ...params, epsilon: 1e-3 },
    inputs: { ...inputs, norm },
    outputs: { y: T * C, slots: T * K, weights: T * K },
  };
});
