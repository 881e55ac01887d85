import { NONE, type Params, type ReferenceBindings } from '../kernel.ts';
import { pick } from '../pick.ts';
import { logSumExp } from '../softmax.ts';

type Row = Float32Array | Float64Array | Uint32Array;

interface Choice {
  readonly inverseTemperature: number;
  readonly minP: number;
  readonly topK: number;
  /** In (0, 1]. */
  readonly topP: number;
  /** In [0, 1). */
  readonly draw: number;
}

/** See sample.ts: sorts what other devices find by their digits. */
export function sampleReference(bindings: ReferenceBindings, params: Params): void {
  const { logits, settings, limits, seen, raw, tokens, sampled } = pick(
    bindings,
    'logits',
    'settings',
    'limits',
    'seen',
    'raw',
    'tokens',
    'sampled',
  );
  const { rows, V, carried } = pick(params, 'rows', 'V', 'carried');
  for (let r = 0; r < rows; r++) {
    const row = logits.subarray(r * V, (r + 1) * V);
    const before = Float64Array.from(row);
    const [inverseTemperature = 0, minP = 0, repetition = 1, presence = 0, frequency = 0] = settings.subarray(
      r * 5,
    );
    const [topK = 0, topP = 0, draw = 0, from = 0, to = 0] = limits.subarray(r * 5);
    const counts = new Map<number, number>();
    for (let entry = from; entry < to; entry++) {
      raw[entry] = row[seen[entry * 2]!]!;
      counts.set(seen[entry * 2]!, seen[entry * 2 + 1]!);
    }
    const latest = tokens[r]!;
    if (carried === 1 && to > from && latest !== NONE) counts.set(latest, (counts.get(latest) ?? 0) + 1);
    for (const [token, count] of counts) {
      const logit = row[token]!;
      const repeated = logit > 0 ? logit / repetition : logit * repetition;
      row[token] = count > 0 ? repeated - (presence + frequency * count) : repeated;
    }
    const finite = before.every((logit) => logit < Infinity) && before.some((logit) => logit > -Infinity);
    const choice = {
      inverseTemperature,
      minP,
      topK,
      topP: topP === 0 ? 1 : topP / 2 ** 32,
      draw: draw / 2 ** 32,
    };
    const token = finite ? choose(row, choice) : NONE;
    tokens[r] = token;
    sampled[r * 2] = finite ? token : -1;
    sampled[r * 2 + 1] = finite ? before[token]! - logSumExp(before) : 0;
  }
}

function choose(row: Row, { inverseTemperature, minP, topK, topP, draw }: Choice): number {
  const ordered = [...row.keys()].sort((a, b) => row[b]! - row[a]! || a - b);
  const likeliest = ordered[0]!;
  if (inverseTemperature === 0) return likeliest;
  const weightOf = (token: number): number => Math.exp((row[token]! - row[likeliest]!) * inverseTemperature);
  const massOf = (some: readonly number[]): number => some.reduce((mass, token) => mass + weightOf(token), 0);
  let kept = ordered.filter((token) => row[token]! > -Infinity && weightOf(token) >= minP);
  if (topK > 0) kept = kept.slice(0, topK);
  const needed = topP * massOf(kept);
  let mass = 0;
  const last = kept.findIndex((token) => (mass += weightOf(token)) >= needed);
  if (topP < 1 && last >= 0) kept = kept.slice(0, last + 1);
  kept.sort((a, b) => a - b);
  let rest = draw * massOf(kept);
  return kept.find((token) => (rest -= weightOf(token)) < 0) ?? kept[kept.length - 1]!;
}
