/**
 * Whether a training row gives away a question of an evaluation set. Three tests, in this order: the same question
 * (SHA-256 of the normalised text), an evaluation stem of 18 or more characters anywhere in the row, and a question that
 * differs in little (6-gram Jaccard similarity of 0.75 or more).
 */
import { createNearFinder } from './near-finder.ts';
import { hashText, normaliseQuestion } from './normalise.ts';
import { createStemFinder } from './stem-finder.ts';

export interface EvaluationQuestion {
  /** Name of the set, for the report. */
  readonly set: string;
  readonly id: string;
  readonly question: string;
}

/** What a training row says. */
export interface RowTexts {
  /** What it asks: the question, or the turns of the user. */
  readonly questions: readonly string[];
  /** All of its text. */
  readonly all: readonly string[];
}

export type MatchKind = 'same question' | 'stem contained' | 'near duplicate';
export const MATCH_KINDS: readonly MatchKind[] = ['same question', 'stem contained', 'near duplicate'];

export interface Match {
  readonly kind: MatchKind;
  readonly set: string;
  /** Of the evaluation question. */
  readonly id: string;
  /** Jaccard similarity, of near duplicates. */
  readonly similarity?: number;
}

export interface ContaminationIndex {
  readonly size: number;
  /** The first test that the row fails, or null. */
  find(row: RowTexts): Match | null;
}

const MIN_STEM_CHARACTERS = 18;
const MIN_SIMILARITY = 0.75;

export function createContaminationIndex(questions: readonly EvaluationQuestion[]): ContaminationIndex {
  const stems = questions.map(({ question }) => normaliseQuestion(question));
  const byHash = new Map(stems.map((stem, index) => [hashText(stem), index]));
  const stemFinder = createStemFinder(stems, MIN_STEM_CHARACTERS);
  const nearFinder = createNearFinder(stems, MIN_SIMILARITY);
  const match = (kind: MatchKind, index: number, similarity?: number): Match | null => {
    const question = questions[index];
    if (question === undefined) return null;
    const { set, id } = question;
    return { kind, set, id, ...(similarity === undefined ? {} : { similarity }) };
  };
  return {
    size: questions.length,
    find(row) {
      const asked = row.questions.map((text) => normaliseQuestion(text)).filter((text) => text !== '');
      for (const text of asked) {
        const index = byHash.get(hashText(text));
        if (index !== undefined) return match('same question', index);
      }
      // Joined by what no normalised text has, so that no stem is found across two of them.
      const index = stemFinder.find(row.all.map((text) => normaliseQuestion(text)).join('\n'));
      if (index >= 0) return match('stem contained', index);
      for (const text of asked) {
        const near = nearFinder.find(text);
        if (near !== null) return match('near duplicate', near.index, near.similarity);
      }
      return null;
    },
  };
}
