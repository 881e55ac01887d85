/** One document and several to a row, grouped heads, lengths beside the vector width. */
import type { KernelCase } from '../kernel.ts';
import { documentStarts } from '../document-starts.ts';
import { createCaseRandom } from '../random-case.ts';

const SHAPES = [
  { B: 1, T: 1, H: 1, KV: 1, D: 4, documents: 1 },
  { B: 1, T: 7, H: 2, KV: 1, D: 6, documents: 1 },
  { B: 2, T: 13, H: 4, KV: 2, D: 16, documents: 3 },
  { B: 3, T: 21, H: 6, KV: 2, D: 12, documents: 4 },
  { B: 1, T: 70, H: 2, KV: 2, D: 32, documents: 2 },
];

export const cases: readonly KernelCase[] = SHAPES.map(({ B, T, H, KV, D, documents }) => {
  const random = createCaseRandom(T * D);
  return {
    title: `${B} rows of ${T} tokens in ${documents} documents, ${H}/${KV} heads of ${D}`,
    params: { B, T, H, KV, D },
    inputs: {
      q: random.normals(B * T * H * D),
      k: random.normals(B * T * KV * D),
      v: random.normals(B * T * KV * D),
      starts: documentStarts(B, T, documents),
    },
    outputs: { o: B * T * H * D, log_sum_exp: B * H * T },
  };
});
