/**
 * The log-probability margin of the right option: what a model that is too small for the exam still shows.
 *
 *   margin = mean_{i right} ln p_i − mean_{i wrong} ln p_i
 *
 * in nats, ln p_i the score of option i. What all options share cancels out, so the p_i need not sum to 1. A model that
 * knows nothing has a mean of 0 over many questions, however much it likes one letter or short options, as long as right
 * options are not of another kind than wrong ones (by their letter, or by their length: so text is also scored per
 * character). ln 2: the right option is twice as likely as the wrong ones in geometric mean. The logarithm of the wrong
 * options' mean probability has no such zero: it follows the likeliest of them, and falls with every bias.
 */

/** `scores`: ln p of each option; null where nothing is right or nothing is wrong. */
export function optionMargin(scores: readonly number[], isRight: readonly boolean[]): number | null {
  const right = scores.filter((_, at) => isRight[at] === true);
  const wrong = scores.filter((_, at) => isRight[at] !== true);
  if (right.length === 0 || wrong.length === 0) return null;
  return mean(right) - mean(wrong);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Index of the largest; ties go to the first. */
export function indexOfBest(scores: readonly number[]): number {
  let best = 0;
  for (const [at, score] of scores.entries()) if (score > (scores[best] ?? -Infinity)) best = at;
  return best;
}
