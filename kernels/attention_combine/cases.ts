/** Two chunks and more, tokens in any order, rows of others kept, largest scores far apart. */
import { CHUNK, PARTIAL_HEAD } from '../attention-work.ts';
import type { KernelCase } from '../kernel.ts';
import { createCaseRandom } from '../random-case.ts';

export const cases: readonly KernelCase[] = [
  combineCase('one token', [CHUNK + 44], [0], { H: 1, D: 4 }),
  combineCase('some of a batch', [3, 5 * CHUNK - 1, 2 * CHUNK, 5 * CHUNK, 0], [3, 1], { H: 3, D: 20 }),
  combineCase('scores far apart', [17 * CHUNK, CHUNK], [0, 1], { H: 2, D: 64, scale: 40 }),
];

/** Of a batch with these positions, the tokens `split`. */
function combineCase(
  title: string,
  positions: readonly number[],
  split: readonly number[],
  { H, D, scale = 2 }: { H: number; D: number; scale?: number },
): KernelCase {
  const random = createCaseRandom(H * D + positions.length);
  const splits: number[] = [];
  let entries = 0;
  for (const token of split) {
    splits.push(token, entries);
    entries += Math.ceil((positions[token]! + 1) / CHUNK);
  }
  const partials = random.normals(entries * H * (PARTIAL_HEAD + D), scale);
  const totals = random.uniforms(entries * H, 1, CHUNK);
  for (const [row, total] of totals.entries()) partials[row * (PARTIAL_HEAD + D) + 1] = total;
  return {
    title,
    params: { S: split.length, H, D },
    inputs: {
      partials,
      positions: Uint32Array.from(positions),
      splits: Uint32Array.from(splits),
      o: random.normals(positions.length * H * D),
    },
    outputs: {},
  };
}
