/** The cases of gate_load, on the stats that it left; a shard that was never chosen among them. */
import type { KernelCase } from '../kernel.ts';
import { cases as loadCases } from '../gate_load/cases.ts';
import { gateLoadReference } from '../gate_load/gate_load.reference.ts';
import { pick } from '../pick.ts';
import { createCaseRandom } from '../random-case.ts';

export const cases: readonly KernelCase[] = loadCases.map(({ title, params, inputs, outputs }) => {
  const stats = new Float32Array(outputs.stats!);
  gateLoadReference({ ...inputs, stats }, params);
  const { T, max_experts } = pick(params, 'T', 'max_experts');
  const { slots, ...shared } = inputs;
  if (title === 'three shards') forget(stats, slots!);
  return {
    title,
    params: { T, max_experts, balance: 0.5, z: 0.125 },
    inputs: { ...shared, stats, dlogits: createCaseRandom(T).normals(T * max_experts, 0.01) },
    outputs: {},
  };
});

/** As if no token had chosen anything: the balance loss is then 0. */
function forget(stats: Float32Array, slots: ArrayLike<number>): void {
  for (const slot of new Set(Array.from(slots))) if (slot * 5 < stats.length) stats[slot * 5] = 0;
}
