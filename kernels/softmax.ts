/** log Σ exp(x) without overflow; −∞ for an empty list. */
export function logSumExp(scores: Float64Array): number {
  const max = scores.reduce((best, score) => Math.max(best, score), -Infinity);
  if (max === -Infinity) return max;
  return max + Math.log(scores.reduce((sum, score) => sum + Math.exp(score - max), 0));
}

/** Softmax of a whole array. Returns its logSumExp. */
export function softmaxInPlace(scores: Float64Array): number {
  const total = logSumExp(scores);
  for (let i = 0; i < scores.length; i++) scores[i] = Math.exp(scores[i]! - total);
  return total;
}
