/**
 * Prefill, decode and both mixed, walked and split; blocks that end anywhere; grouped heads; pages in any order; scores far
 * apart.
 */
import { attentionWork, blockTokens, CHUNK, PARTIAL_HEAD } from '../attention-work.ts';
import type { KernelCase } from '../kernel.ts';
import { createCaseRandom } from '../random-case.ts';

export const cases: readonly KernelCase[] = [
  attentionCase('one token alone', [[0]], { H: 1, KV: 1, D: 4 }),
  attentionCase('a prefill over several pages', [range(0, 10)], { H: 2, KV: 1, D: 12 }),
  attentionCase('one decode', [[37]], { H: 4, KV: 2, D: 16 }),
  attentionCase('prefills and decodes of several sequences', [[13], range(0, 3), range(5, 3), [44]], {
    H: 6,
    KV: 2,
    D: 12,
  }),
  attentionCase('pages of 16', [[70], [3, 4], [130]], { H: 4, KV: 4, D: 32, page_size: 16 }),
  attentionCase('pages of one', [range(30, 5), [64]], { H: 2, KV: 1, D: 8, page_size: 1 }),
  attentionCase('scores far apart', [[20], [9]], { H: 2, KV: 2, D: 8, scale: 12 }),
  attentionCase('blocks of four heads a key', [range(20, 19), [40]], { H: 8, KV: 2, D: 64, page_size: 16 }),
  attentionCase('five heads a key', [range(2, 7), range(31, 2)], { H: 10, KV: 2, D: 20 }),
  attentionCase('more heads a key than a workgroup has rows', [range(3, 2), [33]], { H: 18, KV: 1, D: 4 }),
  attentionCase('wide heads', [range(10, 9), [35]], { H: 4, KV: 2, D: 128 }),
  attentionCase('heads wider than a workgroup', [range(1, 2)], { H: 2, KV: 1, D: 268 }),
  attentionCase('a prefill that walks across chunks', [range(CHUNK - 7, 12)], {
    H: 4,
    KV: 2,
    D: 8,
    page_size: 16,
  }),
  attentionCase('a prefill that walks, far on', [range(2 * CHUNK + 250, 20)], {
    H: 2,
    KV: 1,
    D: 16,
    page_size: 16,
  }),
  attentionCase(
    'decodes, split where they see more than a chunk',
    [[CHUNK - 1], [CHUNK], [3 * CHUNK + 40], [5]],
    {
      H: 4,
      KV: 2,
      D: 64,
      page_size: 16,
      entries: 8,
    },
  ),
  attentionCase(
    'a block split where its tokens see unlike many chunks',
    [range(2 * CHUNK - 2, 4), range(0, 9)],
    {
      H: 2,
      KV: 1,
      D: 12,
      page_size: 8,
      entries: 12,
    },
  ),
  attentionCase('a split that the partial sums have no room for', [[CHUNK + 3], [CHUNK + 9]], {
    H: 8,
    KV: 1,
    D: 4,
    page_size: 16,
    entries: 3,
  }),
  attentionCase('splits of heads wider than a workgroup', [[CHUNK + 1]], {
    H: 1,
    KV: 1,
    D: 260,
    page_size: 16,
    entries: 2,
  }),
];

interface Shape {
  readonly H: number;
  readonly KV: number;
  readonly D: number;
  readonly page_size?: number;
  readonly scale?: number;
  /** Of partial sums; none: nothing is split. */
  readonly entries?: number;
}

/** `asked[s]`: the positions of sequence s that the batch holds; everything before lies in the cache. */
function attentionCase(title: string, asked: readonly number[][], shape: Shape): KernelCase {
  const { H, KV, D, page_size = 4, scale = 1, entries = 0 } = shape;
  const random = createCaseRandom(H * D + page_size);
  const T = asked.flat().length;
  const max_pages = Math.ceil((Math.max(...asked.flat()) + 1) / page_size);
  const pages = asked.length * max_pages + 1;
  const sequences = Uint32Array.from(asked.flatMap((positions, row) => positions.map(() => row)));
  const positions = Uint32Array.from(asked.flat());
  const { work, block } = attentionWork(sequences, positions, { block: blockTokens(H, KV), entries });
  return {
    title,
    params: { W: work.length / 4, H, KV, D, page_size, max_pages, block },
    inputs: {
      q: random.normals(T * H * D, scale),
      k_pages: random.normals(pages * page_size * KV * D, scale),
      v_pages: random.normals(pages * page_size * KV * D),
      page_table: random.permutation(pages).slice(0, asked.length * max_pages),
      sequences,
      positions,
      work,
      o: random.normals(T * H * D),
      partials: random.normals(Math.max(1, entries) * H * (PARTIAL_HEAD + D)),
    },
    outputs: {},
  };
}

function range(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => first + i);
}
