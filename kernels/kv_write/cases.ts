/** One token, a prefill that crosses pages, and sequences mixed in one batch; other slots keep their content. */
import type { KernelCase } from '../kernel.ts';
import { createCaseRandom } from '../random-case.ts';

export const cases: readonly KernelCase[] = [
  kvWriteCase('one token', [[0]], 3, 4),
  kvWriteCase('a prefill over several pages', [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]], 8, 4),
  kvWriteCase('mixed sequences', [[7], [0, 1, 2], [5, 6], [15]], 21, 4),
  kvWriteCase('pages of one position', [[2], [0, 1]], 5, 1),
];

/** `written[s]`: the positions of sequence s that the batch holds. */
function kvWriteCase(
  title: string,
  written: readonly number[][],
  width: number,
  page_size: number,
): KernelCase {
  const random = createCaseRandom(width * page_size);
  const max_pages = 4 * Math.ceil(4 / page_size);
  const pages = written.length * max_pages + 1;
  const T = written.flat().length;
  return {
    title,
    params: { T, width, page_size, max_pages },
    inputs: {
      k: random.normals(T * width),
      v: random.normals(T * width),
      page_table: random.permutation(pages).slice(0, written.length * max_pages),
      sequences: Uint32Array.from(written.flatMap((positions, row) => positions.map(() => row))),
      positions: Uint32Array.from(written.flat()),
      k_pages: random.normals(pages * page_size * width),
      v_pages: random.normals(pages * page_size * width),
    },
    outputs: {},
  };
}
