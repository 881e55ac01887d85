/** What one model does better than another on the same questions, in pairs. */
import { CallerError } from '../base/errors.ts';
import type { QuestionRecord } from './score-questions.ts';
import { compareSeeds, type Difference } from './two-way-bootstrap.ts';

export interface RecordDifferences {
  readonly questions: number;
  /** Left minus right: share of right answers by letters, and the margins in nats. Absent where nothing was scored. */
  readonly letters?: Difference;
  readonly generated?: Difference;
  readonly lettersMargin?: Difference;
  readonly textMargin?: Difference;
  readonly textPerCharacterMargin?: Difference;
}

/** Throws `CallerError` `unequal_items` where the records are not of the same questions in the same order. */
export function compareRecords(
  left: readonly QuestionRecord[],
  right: readonly QuestionRecord[],
): RecordDifferences {
  if (left.length !== right.length || left.some(({ id }, at) => id !== right[at]?.id)) {
    throw new CallerError('unequal_items', 'Only models that were asked the same questions can be compared.');
  }
  const differ = (valueOf: (record: QuestionRecord) => number | null | undefined): Difference | undefined => {
    const pairs = left.flatMap((record, at) => {
      const [one, other] = [valueOf(record), valueOf(right[at]!)];
      return typeof one === 'number' && typeof other === 'number' ? [[one, other] as const] : [];
    });
    if (pairs.length === 0) return undefined;
    return compareSeeds([pairs.map(([one]) => one)], [pairs.map(([, other]) => other)]);
  };
  const entries = [
    ['letters', differ(({ letters }) => outcome(letters))],
    ['generated', differ(({ generated }) => outcome(generated))],
    ['lettersMargin', differ(({ letters }) => letters?.margin)],
    ['textMargin', differ(({ text }) => text?.margin)],
    ['textPerCharacterMargin', differ(({ textPerCharacter }) => textPerCharacter?.margin)],
  ] as const;
  return {
    questions: left.length,
    ...Object.fromEntries(entries.filter(([, difference]) => difference !== undefined)),
  };
}

function outcome(choice: { right: boolean } | undefined): number | undefined {
  return choice ? Number(choice.right) : undefined;
}
