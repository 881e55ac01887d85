/** Empty and full rings, heads before the end, more entries of one owner than its ring has places, entries of nobody. */
import { NONE, type KernelCase } from '../kernel.ts';
import { createCaseRandom } from '../random-case.ts';

interface QueueShape {
  readonly title: string;
  readonly D: number;
  readonly S: number;
  readonly K: number;
  readonly owner: readonly number[];
  readonly heads: readonly number[];
  /** Places of each ring that are filled. */
  readonly filled: readonly number[];
}

const queueShapes: readonly QueueShape[] = [
  { title: 'one entry, one place', D: 1, S: 1, K: 1, owner: [0], heads: [0], filled: [0] },
  { title: 'into empty rings', D: 6, S: 3, K: 4, owner: [2, 0, 2], heads: [0, 0, 0], filled: [0, 0, 0] },
  { title: 'over the end of the ring', D: 5, S: 2, K: 3, owner: [1, 1, 0], heads: [0, 2], filled: [3, 3] },
  {
    title: 'more of one owner than places, and of nobody',
    D: 70,
    S: 3,
    K: 4,
    owner: [1, 0, 1, NONE, 1, 1, 1, 2, 1, 1, 3, 1, 1, 1],
    heads: [3, 2, 0],
    filled: [4, 2, 0],
  },
  { title: 'only entries of nobody', D: 3, S: 2, K: 2, owner: [NONE, NONE], heads: [1, 0], filled: [1, 2] },
];

export const cases: readonly KernelCase[] = queueShapes.map(
  ({ title, D, S, K, owner, heads, filled }, number) => {
    const random = createCaseRandom(number);
    return {
      title,
      params: { M: owner.length, D, S, K },
      inputs: {
        z: random.normals(owner.length * D),
        owner: Uint32Array.from(owner),
        queue: random.normals(S * K * D),
        key_owner: Uint32Array.from({ length: S * K }, (_, place) =>
          place % K < filled[Math.floor(place / K)]! ? Math.floor(place / K) : NONE,
        ),
        heads: Uint32Array.from(heads),
      },
      outputs: {},
    };
  },
);
