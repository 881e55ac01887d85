/**
 * Guesses the specialty of a text from a small lexicon of weighted terms: greedy longest match from left to right, a term
 * counted once a text. A label is given only when it is clear: the best score is at least 3, and 1.35 times the second.
 */
import lexicon from './specialty-lexicon.json' with { type: 'json' };

const MIN_SCORE = 3;
const MIN_LEAD = 1.35;
const AGE_WEIGHT = 5;

/** Ages that only children have: in days, weeks, months or a few years. */
const CHILD_AGES = [
  /(?<![\d.])(?:\d{1,2}|[一二三四五六七八九十两]+)个?多?月(?:大|龄|的?(?:宝|婴|小孩|女儿|儿子))/u,
  /(?<![\d.])(?:[1-9]|1[0-3]|[一二三四五六七八九两]|十[一二三]?)(?:周)?岁(?:半|多)?(?![\d十以])/u,
];
/** "十年前", "5 岁时 …" in an adult's history would mislead: the child's age stands near the beginning. */
const AGE_WITHIN = 60;

const TERMS = new Map<string, { readonly specialty: string; readonly weight: number }>(
  Object.entries(lexicon).flatMap(([specialty, { terms }]) =>
    Object.entries(terms).map(([term, weight]) => [term, { specialty, weight }] as const),
  ),
);
const LONGEST = Math.max(...Array.from(TERMS.keys(), (term) => term.length));

/** The labels with their Chinese names. */
export const SPECIALTY_NAMES: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(lexicon).map(([specialty, { name }]) => [specialty, name]),
);

export function guessSpecialty(text: string): string | null {
  const scores = scoreSpecialties(text.toLowerCase());
  const [best, second] = [...scores].sort(([, left], [, right]) => right - left);
  if (best === undefined || best[1] < MIN_SCORE) return null;
  return best[1] >= MIN_LEAD * (second?.[1] ?? 0) ? best[0] : null;
}

function scoreSpecialties(text: string): Map<string, number> {
  const scores = new Map<string, number>();
  const add = (specialty: string, weight: number): void => {
    scores.set(specialty, (scores.get(specialty) ?? 0) + weight);
  };
  const counted = new Set<string>();
  for (let at = 0; at < text.length;) {
    const term = longestTermAt(text, at);
    const entry = TERMS.get(term);
    if (entry !== undefined && !counted.has(term)) {
      counted.add(term);
      add(entry.specialty, entry.weight);
    }
    at += Math.max(1, term.length);
  }
  const beginning = text.slice(0, AGE_WITHIN);
  if (CHILD_AGES.some((pattern) => pattern.test(beginning))) add('pediatrics', AGE_WEIGHT);
  return scores;
}

/** Empty when no term begins there. */
function longestTermAt(text: string, at: number): string {
  for (let length = Math.min(LONGEST, text.length - at); length > 0; length--) {
    const candidate = text.slice(at, at + length);
    if (TERMS.has(candidate)) return candidate;
  }
  return '';
}
