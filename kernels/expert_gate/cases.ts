/** Routes: none, one shard, several of unequal sizes, mixed in a batch; every top_k; equal gates; fewer experts than K. */
import type { KernelCase } from '../kernel.ts';
import { createCaseRandom } from '../random-case.ts';
import { randomRoutes, type CaseRoute } from '../random-routes.ts';

interface GateShape {
  readonly title: string;
  readonly T: number;
  readonly C: number;
  readonly K: number;
  readonly max_experts: number;
  readonly routes: readonly CaseRoute[];
}

const BASE = { shards: [], topK: 0 };

const gateShapes: readonly GateShape[] = [
  { title: 'one token, one expert', T: 1, C: 1, K: 1, max_experts: 1, routes: [{ shards: [1], topK: 1 }] },
  { title: 'base only', T: 3, C: 8, K: 2, max_experts: 4, routes: [BASE] },
  { title: 'one shard', T: 9, C: 20, K: 2, max_experts: 4, routes: [{ shards: [4], topK: 2 }] },
  { title: 'three shards', T: 11, C: 33, K: 2, max_experts: 12, routes: [{ shards: [4, 3, 5], topK: 2 }] },
  {
    title: 'mixed routes',
    T: 23,
    C: 30,
    K: 4,
    max_experts: 14,
    routes: [{ shards: [4], topK: 2 }, BASE, { shards: [4, 6], topK: 4 }, { shards: [1, 4, 8], topK: 3 }],
  },
  {
    title: 'top_k above K and above the number of experts',
    T: 6,
    C: 7,
    K: 3,
    max_experts: 8,
    routes: [
      { shards: [2], topK: 4 },
      { shards: [4, 4], topK: 4 },
      { shards: [1, 1], topK: 1 },
    ],
  },
];

export const cases: readonly KernelCase[] = [...gateShapes.map(gateCase), tied()];

function gateCase({ title, T, C, K, max_experts, routes }: GateShape): KernelCase {
  const random = createCaseRandom(T * C + K);
  const slots = max_experts + 5;
  return {
    title,
    params: { T, C, K, max_experts },
    inputs: {
      x: random.normals(T * C),
      router: random.normals(slots * C, 0.5),
      route_of_token: random.integers(T, routes.length),
      ...randomRoutes(random, routes, slots, max_experts),
    },
    outputs: { logits: T * max_experts, chosen: T * K, slots: T * K, weights: T * K },
  };
}

/** All router rows alike: every gate ties, and the lower entries must win. */
function tied(): KernelCase {
  const routes = [{ shards: [5], topK: 3 }];
  const plain = gateCase({ title: 'equal gates', T: 4, C: 9, K: 3, max_experts: 6, routes });
  const router = plain.inputs.router!.map((_, i, all) => all[i % 9]!);
  return { ...plain, inputs: { ...plain.inputs, router } };
}
