/** All eight layouts on small shapes, then shapes that cross the edges of the tiles of every device. */
import type { KernelCase } from '../kernel.ts';
import { createCaseRandom } from '../random-case.ts';

/** M, N, K on either side of the tiles: rows by 4, 6 and 96 (from 513 on by shares), columns by 64 and 256, sums by 256. */
const LARGE = [
  [1, 300, 257],
  [24, 70, 30],
  [25, 65, 20],
  [97, 257, 33],
  [200, 20, 513],
  [602, 10, 20],
] as const;

export const cases: readonly KernelCase[] = [
  ...[0, 1, 2, 3, 4, 5, 6, 7].flatMap((bits) =>
    [
      [1, 1, 1],
      [1, 5, 9],
      [2, 3, 4],
      [5, 17, 13],
      [6, 16, 8],
    ].map(([M, N, K]) => matmulCase(M!, N!, K!, bits)),
  ),
  ...LARGE.map(([M, N, K]) => matmulCase(M, N, K, 2)),
  ...LARGE.slice(2).flatMap(([M, N, K]) => [0, 5, 7].map((bits) => matmulCase(M, N, K, bits))),
  nonFinite(),
];

/** `bits`: 1 a transposed, 2 b transposed, 4 accumulate. Without accumulate, c holds NaN that must vanish. */
function matmulCase(M: number, N: number, K: number, bits: number): KernelCase {
  const random = createCaseRandom(M * N * K + bits);
  const [a_transposed, b_transposed, accumulate] = [bits & 1, (bits >> 1) & 1, (bits >> 2) & 1];
  const layout = `${a_transposed ? 'aᵀ' : 'a'} ${b_transposed ? 'bᵀ' : 'b'}${accumulate ? ', added' : ''}`;
  return {
    title: `${layout}, M ${M}, N ${N}, K ${K}`,
    params: { M, N, K, a_transposed, b_transposed, accumulate },
    inputs: {
      a: random.normals(M * K),
      b: random.normals(K * N),
      c: accumulate ? random.normals(M * N) : new Float32Array(M * N).fill(NaN),
    },
    outputs: {},
  };
}

function nonFinite(): KernelCase {
  const plain = matmulCase(6, 21, 18, 2);
  const a = plain.inputs.a!.slice();
  a[20] = NaN;
  a[60] = Infinity;
  return { ...plain, title: 'rows that hold NaN and infinity', inputs: { ...plain.inputs, a } };
}
