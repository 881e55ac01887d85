/** Sets of options as the letter strings that name them. */
import { CallerError } from '../base/errors.ts';

/** Beyond this, all subsets are too many to score: 2^n − 1. */
const MAX_OPTIONS = 8;

/** All non-empty subsets of the letters, each in the letters' order, the smaller sets first. */
export function letterSets(letters: readonly string[]): string[] {
  if (letters.length > MAX_OPTIONS) {
    throw new CallerError(
      'too_many_options',
      `A question with several answers may have at most ${MAX_OPTIONS} options; one has ${letters.length}.`,
    );
  }
  const sets: string[] = [];
  for (let bits = 1; bits < 1 << letters.length; bits++) {
    sets.push(letters.filter((_, at) => (bits >> at) & 1).join(''));
  }
  return sets.sort((left, right) => left.length - right.length || (left < right ? -1 : 1));
}
