/** How far one model's next-token distributions are from another's, over many tokens. */
import { invariant } from '../base/invariant.ts';

export interface LogitDifference {
  readonly tokens: number;
  /** Mean of Σ p ln(p / q), in nats: p of the model that is compared with, q of the other. */
  readonly divergence: number;
  /** Root mean square of the differences of logits, where what is added to all logits of a token does not count. */
  readonly logitError: number;
  /** Share of tokens at which both take the same likeliest next token; ties go to the lower id. */
  readonly sameChoice: number;
}

export class LogitComparison {
  #tokens = 0;
  #divergence = 0;
  #squares = 0;
  #same = 0;

  /** Logits [V] of both for one token. */
  add(expected: Float32Array, actual: Float32Array): void {
    invariant(expected.length === actual.length && expected.length > 0, 'rows of one vocabulary');
    const one = summary(expected);
    const other = summary(actual);
    let divergence = 0;
    let shift = 0;
    let squares = 0;
    for (let v = 0; v < expected.length; v++) {
      const difference = expected[v]! - actual[v]!;
      shift += difference;
      squares += difference * difference;
      divergence += Math.exp(expected[v]! - one.normaliser) * difference;
    }
    this.#tokens += 1;
    this.#divergence += Math.max(0, divergence + other.normaliser - one.normaliser);
    this.#squares += Math.max(0, squares / expected.length - (shift / expected.length) ** 2);
    if (one.best === other.best) this.#same += 1;
  }

  result(): LogitDifference {
    invariant(this.#tokens > 0, 'something was compared');
    return {
      tokens: this.#tokens,
      divergence: this.#divergence / this.#tokens,
      logitError: Math.sqrt(this.#squares / this.#tokens),
      sameChoice: this.#same / this.#tokens,
    };
  }
}

/** Minus the natural logarithm of the probability of a token. */
export function surprise(logits: Float32Array, token: number): number {
  return summary(logits).normaliser - logits[token]!;
}

function summary(logits: Float32Array): { readonly best: number; readonly normaliser: number } {
  let best = 0;
  for (let v = 1; v < logits.length; v++) if (logits[v]! > logits[best]!) best = v;
  const most = logits[best]!;
  let total = 0;
  for (let v = 0; v < logits.length; v++) total += Math.exp(logits[v]! - most);
  return { best, normaliser: most + Math.log(total) };
}
