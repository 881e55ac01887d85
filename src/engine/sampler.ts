/**
 * From one row of logits to a token. Everything is computed from that row and the sequence's own random numbers, in an
 * order that the batch cannot change; sums run in float64 in vocabulary order.
 */
import { InternalError } from '../base/errors.ts';
import type { SamplingSettings, TokenDraw } from '../model/runner.ts';
import type { TokenLogprobs } from './request.ts';
import { atLeast, largest } from './largest.ts';

/** V logits to a token id. Ties go to the lower id. Throws `InternalError('not_finite')`. */
export function sampleToken(
  logits: Float32Array,
  { sampling, uniform, seen }: Pick<TokenDraw, 'sampling' | 'uniform' | 'seen'>,
): number {
  const row = penalise(logits, sampling, seen);
  const best = argmax(row);
  if (sampling.temperature === 0) return best;
  const weights = exponentials(row, row[best]!, sampling);
  const candidates = truncate(weights, sampling);
  return candidates ? drawAmong(candidates, weights, uniform) : drawAny(weights, uniform);
}

/** Whether `seen` plays a part. */
export function hasPenalties(sampling: SamplingSettings): boolean {
  const { presencePenalty, frequencyPenalty, repetitionPenalty } = sampling;
  return presencePenalty !== 0 || frequencyPenalty !== 0 || repetitionPenalty !== 1;
}

/** log softmax of the row at `token` and at the `top` likeliest tokens. */
export function logprobsOf(logits: Float32Array, token: number, top: number): TokenLogprobs {
  const likeliest = logits[argmax(logits)]!;
  let total = 0;
  for (let v = 0; v < logits.length; v++) total += Math.exp(logits[v]! - likeliest);
  const logNormaliser = likeliest + Math.log(total);
  const logprobAt = (id: number): number => logits[id]! - logNormaliser;
  return {
    token,
    logprob: logprobAt(token),
    top: largest(logits, top).map((id) => ({ token: id, logprob: logprobAt(id) })),
  };
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

function penalise(logits: Float32Array, sampling: SamplingSettings, seen: Uint32Array): Float32Array {
  if (!hasPenalties(sampling)) return logits;
  const { presencePenalty, frequencyPenalty, repetitionPenalty } = sampling;
  const row = logits.slice();
  for (let at = 0; at < seen.length; at += 2) {
    const token = seen[at]!;
    const count = seen[at + 1]!;
    const logit = row[token]!;
    const repeated = logit > 0 ? logit / repetitionPenalty : logit * repetitionPenalty;
    row[token] = count > 0 ? repeated - (presencePenalty + frequencyPenalty * count) : repeated;
  }
  return row;
}

/** Unnormalised probabilities; the likeliest token has 1. */
function exponentials(row: Float32Array, largestLogit: number, sampling: SamplingSettings): Float64Array {
  const weights = new Float64Array(row.length);
  for (let v = 0; v < row.length; v++) {
    const weight = Math.exp((row[v]! - largestLogit) / sampling.temperature);
    weights[v] = weight < sampling.minP ? 0 : weight;
  }
  return weights;
}

/**
 * Top-k, then the smallest set of what is left whose share reaches top-p: tokens, likeliest first, at least one. Undefined
 * where neither truncates.
 */
function truncate(weights: Float64Array, { topK, topP }: SamplingSettings): number[] | undefined {
  const cutsK = topK > 0 && topK < weights.length;
  if (!cutsK && topP >= 1) return undefined;
  const kept = cutsK ? largest(weights, topK) : undefined;
  if (kept && topP >= 1) return kept;
  const total = kept ? kept.reduce((sum, token) => sum + weights[token]!, 0) : sumOf(weights);
  // All that are smaller than this floor weigh less than the share that top-p leaves out, so none of them is needed.
  const floor = ((1 - topP) * total) / weights.length;
  const ordered = kept ?? atLeast(weights, floor);
  let mass = 0;
  const needed = ordered.findIndex((token) => (mass += weights[token]!) >= topP * total);
  return needed < 0 ? ordered : ordered.slice(0, needed + 1);
}

/** In the order of ids, as where nothing is truncated and as kernels/sample does. */
function drawAmong(candidates: readonly number[], weights: Float64Array, draw: number): number {
  const ordered = candidates.filter((token) => weights[token]! > 0).sort((a, b) => a - b);
  let rest = draw * ordered.reduce((sum, token) => sum + weights[token]!, 0);
  for (const token of ordered) {
    rest -= weights[token]!;
    if (rest < 0) return token;
  }
  return ordered[ordered.length - 1]!;
}

function drawAny(weights: Float64Array, draw: number): number {
  let rest = draw * sumOf(weights);
  let last = 0;
  for (let v = 0; v < weights.length; v++) {
    if (weights[v] === 0) continue;
    last = v;
    rest -= weights[v]!;
    if (rest < 0) return v;
  }
  return last;
}

function sumOf(weights: Float64Array): number {
  let total = 0;
  for (let v = 0; v < weights.length; v++) total += weights[v]!;
  return total;
}
