/**
 * Greedy and drawn rows side by side, with every way of leaving tokens out, alone and together; equal logits, masked and
 * broken rows; penalties. Draws are whatever the seed gives: test/kernels/sample.test.ts shows how far from a boundary.
 */
import { NONE, type KernelCase } from '../kernel.ts';
import { createCaseRandom, type CaseRandom } from '../random-case.ts';

interface Row {
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
  readonly repetition?: number;
  readonly presence?: number;
  readonly frequency?: number;
  /** Tokens that penalties are for. */
  readonly seen?: number;
}

type Logits = (random: CaseRandom, rows: number, V: number) => Float32Array;

const normals: Logits = (random, rows, V) => random.normals(rows * V, 3);
/** Seven different values, zeros of both signs among them. */
const equals: Logits = (random, rows, V) =>
  Float32Array.from(random.integers(rows * V, 8), (n) => (n === 7 ? -0 : (n - 3) / 2));
/** Some masked; the second row all, the third with NaN, the fourth with Infinity. */
const broken: Logits = (random, rows, V) => {
  const logits = normals(random, rows, V).map((logit) => (logit < -3 ? -Infinity : logit));
  logits.fill(-Infinity, V, 2 * V);
  logits[2 * V + (V >> 1)] = NaN;
  logits[4 * V - 1] = Infinity;
  return logits;
};

const ways: readonly Row[] = [
  { seen: 1 },
  { temperature: 1 },
  { temperature: 0.6, topK: 5 },
  { temperature: 1.3, topP: 0.8 },
  { temperature: 1, minP: 0.05 },
  { temperature: 1.7, topK: 9, topP: 0.7, minP: 0.01 },
];
const penalised: readonly Row[] = [
  { repetition: 1.3, seen: 20 },
  { temperature: 0.6, topK: 40, topP: 0.9, repetition: 1.1, seen: 30 },
  { temperature: 1, presence: 0.5, frequency: 0.25, seen: 7 },
  { temperature: 1, repetition: 1.5, presence: -1, seen: 0 },
  { repetition: 2, presence: 1.5, frequency: -0.5, seen: 1 },
];

export const cases: readonly KernelCase[] = [
  makeCase('one token', 1, normals, ways),
  makeCase('five tokens', 5, normals, ways),
  makeCase('every way', 300, normals, ways),
  makeCase('every way among equals', 300, equals, ways),
  makeCase('penalties', 131, normals, penalised),
  makeCase('rows that are masked or broken', 70, broken, [...ways, ...penalised]),
  makeCase('more tokens than bins', 5003, normals, [...ways, ...penalised]),
  makeCase('tokens carried over', 131, normals, [...ways.slice(1), ...penalised], true),
];

/** `carried`: of every second row with penalties a token that it has seen, of the others any; the last row was broken. */
function makeCase(
  title: string,
  V: number,
  makeLogits: Logits,
  choices: readonly Row[],
  carried = false,
): KernelCase {
  const rows = choices.length;
  const random = createCaseRandom(V + rows);
  const logits = makeLogits(random, rows, V);
  const draws = random.integers(rows, 2 ** 32);
  const settings: number[] = [];
  const limits: number[] = [];
  const seen: number[] = [];
  const tokens = random.integers(rows, V);
  tokens[rows - 1] = NONE;
  for (const [r, row] of choices.entries()) {
    const {
      temperature = 0,
      topK = 0,
      topP = 0,
      minP = 0,
      repetition = 1,
      presence = 0,
      frequency = 0,
    } = row;
    const from = seen.length / 2;
    const counts = random.integers(row.seen ?? 0, 3);
    for (const [at, token] of random.permutation(V).subarray(0, counts.length).entries()) {
      seen.push(token, counts[at]!);
    }
    if (r % 2 === 0 && counts.length > 0 && r < rows - 1) tokens[r] = seen[from * 2]!;
    settings.push(temperature && 1 / temperature, minP, repetition, presence, frequency);
    limits.push(topK, Math.round(topP * 2 ** 32), draws[r]!, from, seen.length / 2);
  }
  return {
    title: `${title}: ${rows} rows of ${V}`,
    params: { rows, V, carried: carried ? 1 : 0 },
    inputs: {
      logits,
      settings: Float32Array.from(settings),
      limits: Uint32Array.from(limits),
      seen: Uint32Array.from(seen),
      tokens: carried ? tokens : new Uint32Array(rows).fill(NONE),
    },
    outputs: { raw: seen.length / 2, sampled: rows * 2 },
  };
}
