/** The routes of expert_gate's cases with a random gradient; what lies past the end of a list must not be read. */
import { NONE, type KernelCase } from '../kernel.ts';
import { cases as forwardCases } from '../expert_gate/cases.ts';
import { pick } from '../pick.ts';
import { createCaseRandom } from '../random-case.ts';

export const cases: readonly KernelCase[] = forwardCases.map(({ title, params, inputs }) => {
  const { T, C, max_experts } = pick(params, 'T', 'C', 'max_experts');
  const random = createCaseRandom(T + C);
  const dlogits = random.normals(T * max_experts).map((value, i) => {
    const entry = inputs.route_of_token![Math.floor(i / max_experts)]! * max_experts + (i % max_experts);
    return inputs.route_slots![entry] === NONE ? NaN : value;
  });
  return {
    title,
    params: { T, C, max_experts },
    inputs: {
      dlogits,
      route_of_token: inputs.route_of_token!,
      route_slots: inputs.route_slots!,
      router: inputs.router!,
      dx: random.normals(T * C),
    },
    outputs: {},
  };
});
