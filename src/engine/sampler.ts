/**
 * From one row of logits to a token. Everything is computed from that row and the sequence's own random numbers, in an
 * order that the batch cannot change; sums run in float64 in vocabulary order.
 */
import { InternalError } from '../base/errors.ts';
import type { Random } from '../base/random.ts';
import type { Sampling, TokenLogprobs } from './request.ts';
import { descending } from './descending.ts';

/** What of a sequence the penalties look at. */
export interface History {
  readonly prompt: Uint32Array;
  readonly generatedCounts: ReadonlyMap<number, number>;
}

/** V logits to a token id. Ties go to the lower id. */
export function sampleToken(
  logits: Float32Array,
  sampling: Sampling,
  random: Random,
  history: History,
): number {
  const row = penalise(logits, sampling, history);
  const best = argmax(row);
  if (sampling.temperature === 0) return best;
  // Drawn even where truncation leaves one candidate: the stream of numbers then has one per token, always.
  const draw = random.uniform();
  const largest = row[best]!;
  const weights = Float64Array.from(row, (logit) => Math.exp((logit - largest) / sampling.temperature));
  const truncates = sampling.topK > 0 || sampling.topP < 1;
  if (sampling.minP > 0) {
    for (let v = 0; v < weights.length; v++) if (weights[v]! < sampling.minP) weights[v] = 0;
  }
  return truncates ? drawTruncated(weights, sampling, draw) : drawAny(weights, draw);
}

/** log softmax of the row at `token` and at the `top` likeliest tokens. */
export function logprobsOf(logits: Float32Array, token: number, top: number): TokenLogprobs {
  const largest = logits[argmax(logits)]!;
  let total = 0;
  for (const logit of logits) total += Math.exp(logit - largest);
  const logNormaliser = largest + Math.log(total);
  const alternatives: { token: number; logprob: number }[] = [];
  if (top > 0) {
    for (const id of descending(logits)) {
      alternatives.push({ token: id, logprob: logits[id]! - logNormaliser });
      if (alternatives.length === top) break;
    }
  }
  return { token, logprob: logits[token]! - logNormaliser, top: alternatives };
}

function argmax(row: Float32Array): number {
  let best = 0;
  let finite = true;
  for (let v = 0; v < row.length; v++) {
    if (row[v]! > row[best]!) best = v;
    // -Infinity masks a token; NaN and +Infinity mean that the model's numbers broke.
    if (!(row[v]! < Infinity)) finite = false;
  }
  if (!finite || row[best] === -Infinity) {
    throw new InternalError('not_finite', 'The model returned logits that are not finite.');
  }
  return best;
}

function penalise(logits: Float32Array, sampling: Sampling, history: History): Float32Array {
  const { presencePenalty, frequencyPenalty, repetitionPenalty } = sampling;
  if (presencePenalty === 0 && frequencyPenalty === 0 && repetitionPenalty === 1) return logits;
  const row = logits.slice();
  if (repetitionPenalty !== 1) {
    const seen = new Set([...history.prompt, ...history.generatedCounts.keys()]);
    for (const token of seen) {
      const logit = row[token]!;
      row[token] = logit > 0 ? logit / repetitionPenalty : logit * repetitionPenalty;
    }
  }
  for (const [token, count] of history.generatedCounts) {
    row[token]! -= presencePenalty + frequencyPenalty * count;
  }
  return row;
}

/** Top-k, then the smallest set of what is left whose share reaches top-p; always at least one token. */
function drawTruncated(weights: Float64Array, sampling: Sampling, draw: number): number {
  const most = sampling.topK > 0 ? Math.min(sampling.topK, weights.length) : weights.length;
  const candidates: number[] = [];
  let total = sampling.topK > 0 ? 0 : weights.reduce((sum, weight) => sum + weight, 0);
  if (sampling.topK > 0) {
    for (const token of descending(weights)) {
      candidates.push(token);
      total += weights[token]!;
      if (candidates.length === most) break;
    }
  }
  const ordered = sampling.topK > 0 ? candidates : descending(weights);
  const kept: number[] = [];
  let mass = 0;
  for (const token of ordered) {
    kept.push(token);
    mass += weights[token]!;
    if (mass >= sampling.topP * total) break;
  }
  let rest = draw * mass;
  for (const token of kept) {
    rest -= weights[token]!;
    if (rest < 0) return token;
  }
  return kept[0]!;
}

function drawAny(weights: Float64Array, draw: number): number {
  let rest = draw * weights.reduce((sum, weight) => sum + weight, 0);
  let last = 0;
  for (let v = 0; v < weights.length; v++) {
    if (weights[v] === 0) continue;
    last = v;
    rest -= weights[v]!;
    if (rest < 0) return v;
  }
  return last;
}
