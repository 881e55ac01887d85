/** Prefill, decode and both mixed; grouped heads; pages in any order; scores far apart. */
import type { KernelCase } from '../kernel.ts';
import { createCaseRandom } from '../random-case.ts';

export const cases: readonly KernelCase[] = [
  attentionCase('one token alone', [[0]], { H: 1, KV: 1, D: 4 }),
  attentionCase('a prefill over several pages', [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]], { H: 2, KV: 1, D: 6 }),
  attentionCase('one decode', [[37]], { H: 4, KV: 2, D: 16 }),
  attentionCase('prefills and decodes of several sequences', [[13], [0, 1, 2], [5, 6, 7], [44]], {
    H: 6,
    KV: 2,
    D: 12,
  }),
  attentionCase('pages of 16', [[70], [3, 4], [130]], { H: 4, KV: 4, D: 32, page_size: 16 }),
  attentionCase('scores far apart', [[20], [9]], { H: 2, KV: 2, D: 8, scale: 12 }),
];

interface Shape {
  readonly H: number;
  readonly KV: number;
  readonly D: number;
  readonly page_size?: number;
  readonly scale?: number;
}

/** `asked[s]`: the positions of sequence s that the batch holds; everything before lies in the cache. */
function attentionCase(title: string, asked: readonly number[][], shape: Shape): KernelCase {
  const { H, KV, D, page_size = 4, scale = 1 } = shape;
  const random = createCaseRandom(H * D + page_size);
  const T = asked.flat().length;
  const max_pages = Math.ceil((Math.max(...asked.flat()) + 1) / page_size);
  const pages = asked.length * max_pages + 1;
  return {
    title,
    params: { T, H, KV, D, page_size, max_pages },
    inputs: {
      q: random.normals(T * H * D, scale),
      k_pages: random.normals(pages * page_size * KV * D, scale),
      v_pages: random.normals(pages * page_size * KV * D),
      page_table: random.permutation(pages).slice(0, asked.length * max_pages),
      sequences: Uint32Array.from(asked.flatMap((positions, row) => positions.map(() => row))),
      positions: Uint32Array.from(asked.flat()),
    },
    outputs: { o: T * H * D },
  };
}
