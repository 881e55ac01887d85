/**
 * Keys that are empty, anchors of nobody, without positives or negatives, an anchor's own key, sharp temperatures, and
 * numbers of keys beside the vector width.
 */
import { NONE, type KernelCase } from '../kernel.ts';
import { createCaseRandom } from '../random-case.ts';

interface ContrastShape {
  readonly title: string;
  readonly M: number;
  readonly J: number;
  readonly owners: number;
  readonly temperature: number;
  readonly excludeSelf?: boolean;
  /** One place in `empty` is NONE; 1: all are. */
  readonly empty?: number;
}

const contrastShapes: readonly ContrastShape[] = [
  { title: 'one anchor, one key', M: 1, J: 1, owners: 1, temperature: 1 },
  { title: 'only positives', M: 3, J: 9, owners: 1, temperature: 0.1 },
  { title: 'an empty queue', M: 3, J: 13, owners: 2, temperature: 0.1, empty: 1 },
  { title: 'a queue with gaps', M: 7, J: 30, owners: 4, temperature: 0.07, empty: 3 },
  { title: 'in the batch', M: 19, J: 19, owners: 5, temperature: 0.2, excludeSelf: true },
  { title: 'sharp, far from a softmax of equals', M: 6, J: 41, owners: 3, temperature: 0.005, empty: 6 },
  { title: 'many keys', M: 4, J: 1031, owners: 8, temperature: 0.07, empty: 5 },
];

export const cases: readonly KernelCase[] = [...contrastShapes.map(contrastCase), lonely()];

function contrastCase({
  title,
  M,
  J,
  owners,
  temperature,
  excludeSelf = false,
  empty = 0,
}: ContrastShape): KernelCase {
  const random = createCaseRandom(M * J + owners);
  const anchor_owner = random.integers(M, owners);
  const key_owner = excludeSelf
    ? anchor_owner.slice()
    : random.integers(J, owners).map((owner, j) => (empty && j % empty === 0 ? NONE : owner));
  // The last anchor is nobody's, and one is of an owner that has no key at all.
  if (M > 3) anchor_owner[M - 1] = NONE;
  if (M > 3) anchor_owner[1] = owners;
  if (excludeSelf) key_owner.set(anchor_owner);
  return {
    title,
    params: { M, J, inverse_temperature: 1 / temperature, scale: 0.25, exclude_self: Number(excludeSelf) },
    inputs: {
      scores: random.uniforms(M * J, -1, 1),
      anchor_owner,
      key_owner,
      weights: random.uniforms(M, 0, 1),
    },
    outputs: { loss: M },
  };
}

/** Excluding itself, an anchor has no positive, or no negative. */
function lonely(): KernelCase {
  const random = createCaseRandom(77);
  const owners = Uint32Array.of(0, 0, 0, 0, 1);
  return {
    title: 'alone of its owner in the batch',
    params: { M: 5, J: 5, inverse_temperature: 4, scale: 1, exclude_self: 1 },
    inputs: {
      scores: random.uniforms(25, -1, 1),
      anchor_owner: owners,
      key_owner: owners,
      weights: random.uniforms(5, 0.1, 1),
    },
    outputs: { loss: 5 },
  };
}
