/** The cases of expert_gate, on what the forward pass left. */
import type { KernelCase } from '../kernel.ts';
import { cases as forwardCases } from '../expert_gate/cases.ts';
import { expertGateReference } from '../expert_gate/expert_gate.reference.ts';
import { pick } from '../pick.ts';
import { createCaseRandom } from '../random-case.ts';

export const cases: readonly KernelCase[] = forwardCases.map(({ title, params, inputs, outputs }) => {
  const forward = {
    ...inputs,
    logits: new Float32Array(outputs.logits!),
    chosen: new Uint32Array(outputs.chosen!),
    slots: new Uint32Array(outputs.slots!),
    weights: new Float32Array(outputs.weights!),
  };
  expertGateReference(forward, params);
  const { T, K, max_experts } = pick(params, 'T', 'K', 'max_experts');
  return {
    title,
    params: { T, K, max_experts },
    inputs: {
      logits: forward.logits,
      route_of_token: inputs.route_of_token!,
      route_slots: inputs.route_slots!,
      route_segments: inputs.route_segments!,
      chosen: forward.chosen,
      weights: forward.weights,
      dweights: createCaseRandom(T).normals(T * K),
    },
    outputs: { dlogits: T * max_experts },
  };
});
