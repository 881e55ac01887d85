/** Results of an ablation as if measured: values of every answer and question, with effects that are known. */
import { ARMS, PROFILES, armConfig } from '../../../src/cli/ablation/arms.ts';
import { itemsHash } from '../../../src/cli/ablation/results.ts';
import type { AblationItems, ArmResult } from '../../../src/cli/ablation/results.ts';

const ANSWERS = 60;
const CHARACTERS = 10;

/** Answers of two specialties and of none, all of one length; questions of two exams. */
export const items: AblationItems = {
  answers: Array.from({ length: ANSWERS }, (_, at) => ({
    id: `a${at}`,
    specialty: ['tcm', 'neurology', null][at % 3]!,
    characters: CHARACTERS,
  })),
  questions: Array.from({ length: 8 }, (_, at) => ({
    id: `q${at}`,
    exam: at < 4 ? 'cmb' : 'cmexam',
    specialty: null,
  })),
};

/** Answers are harder and easier by themselves, whatever the arm. */
const difficulty = (at: number): number => 1.5 + 0.01 * ((at * 17) % 60);

export interface MadeEffects {
  /** Bits per character of an answer, beside its difficulty. */
  readonly bits?: (answer: number) => number;
  readonly margin?: number;
  readonly letterRight?: readonly number[];
  readonly changes?: Partial<ArmResult>;
}

export function madeResult(arm: string, seed: number, effects: MadeEffects = {}): ArmResult {
  const { bits = () => 0, margin = 0, letterRight = [1, 1, 0, 0, 1, 0, 0, 0], changes = {} } = effects;
  const isTrained = arm !== 'base';
  return {
    arm,
    seed,
    config: armConfig(
      ARMS.find(({ name }) => name === arm)!,
      PROFILES.full,
      seed,
    ),
    baseFingerprint: 'b'.repeat(64),
    items: itemsHash(items),
    commit: 'c'.repeat(40),
    device: 'CPU, 2 threads',
    trainedParameters: isTrained ? 1234 : 0,
    steps: isTrained ? 128 : 0,
    trainTokens: isTrained ? 262_144 : 0,
    tokensPerSecond: isTrained ? 1000 + seed : null,
    peakBytes: 100 * 2 ** 20,
    validation: isTrained ? 2.5 : null,
    nats: items.answers.map((_, at) => (difficulty(at) + bits(at)) * CHARACTERS * Math.LN2),
    textMargins: items.questions.map((_, at) => 0.1 * at - 0.3 + margin),
    letterMargins: items.questions.map((_, at) => 0.2 - 0.05 * at + margin),
    letterRight: [...letterRight],
    routing: null,
    ...changes,
  };
}
