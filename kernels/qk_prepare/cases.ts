/** Decode, prefill over several pages, mixed sequences; one and several heads a key; other places keep their content. */
import type { KernelCase } from '../kernel.ts';
import { createCaseRandom } from '../random-case.ts';

interface QkShape {
  readonly title: string;
  /** The positions of each sequence that the batch holds. */
  readonly written: readonly (readonly number[])[];
  readonly H: number;
  readonly KV: number;
  readonly D: number;
  readonly page_size: number;
}

const shapes: readonly QkShape[] = [
  { title: 'one token', written: [[0]], H: 1, KV: 1, D: 4, page_size: 4 },
  {
    title: 'a prefill over several pages',
    written: [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]],
    H: 4,
    KV: 2,
    D: 8,
    page_size: 4,
  },
  {
    title: 'mixed sequences',
    written: [[7], [0, 1, 2], [5, 6], [15]],
    H: 3,
    KV: 1,
    D: 36,
    page_size: 4,
  },
  { title: 'pages of one position, wide heads', written: [[2], [0, 1]], H: 2, KV: 2, D: 160, page_size: 1 },
];

export const cases: readonly KernelCase[] = shapes.map(({ title, written, H, KV, D, page_size }) => {
  const random = createCaseRandom(H * D * page_size);
  const max_pages = 4 * Math.ceil(4 / page_size);
  const pages = written.length * max_pages + 1;
  const T = written.flat().length;
  const places = pages * page_size * KV * D;
  const angles = random.uniforms(16 * (D / 2), -3, 3);
  return {
    title,
    params: { T, H, KV, D, page_size, max_pages, epsilon: 1e-3 },
    inputs: {
      qkv: random.normals(T * (H + 2 * KV) * D, 0.3),
      norms: random.uniforms(2 * D, 0.5, 1.5),
      table: Float32Array.from({ length: 16 * D }, (_, i) => (i % 2 ? Math.sin : Math.cos)(angles[i >> 1]!)),
      page_table: random.permutation(pages).slice(0, written.length * max_pages),
      sequences: Uint32Array.from(written.flatMap((positions, row) => positions.map(() => row))),
      positions: Uint32Array.from(written.flat()),
      k_pages: random.normals(places),
      v_pages: random.normals(places),
    },
    outputs: { q: T * H * D },
  };
});
