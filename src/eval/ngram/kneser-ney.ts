/**
 * A character n-gram model with interpolated, modified Kneser–Ney smoothing: the yardstick for bits per character.
 *
 * Every text begins with a mark of its kind (so that an answer may begin otherwise than a question) and ends with an end
 * mark. The longest n-grams, and those that begin with a mark, count occurrences; the others count in how many different
 * left contexts they occur. Below the single characters lies the uniform distribution over all of Unicode, so no character
 * is impossible and the probabilities of all characters and the end sum to 1.
 */
import { invariant } from '../../base/invariant.ts';
import { ABSENT, createNgramTable, type NgramTable } from './ngram-table.ts';

export type TextKind = 'text' | 'question' | 'answer';

export interface NgramScore {
  /** Code points; the end mark is not scored. */
  readonly characters: number;
  /** Minus the natural logarithm of the probability of all the characters. */
  readonly nats: number;
}

export interface NgramModel {
  readonly order: number;
  /** Distinct n-grams kept, over all lengths. */
  readonly size: number;
  score(text: string, kind: TextKind): NgramScore;
  /** Probability of a character, or of the end (null), after the beginning of a text. */
  probability(before: string, kind: TextKind, character: string | null): number;
}

export interface NgramTrainer {
  add(text: string, kind: TextKind): void;
  /** The trainer must not be used afterwards. */
  finish(): NgramModel;
}

/** Symbols beyond Unicode's 0x10ffff. */
const END = 0x110000;
const MARKS: Readonly<Record<TextKind, number>> = { text: 0x110001, question: 0x110002, answer: 0x110003 };
/** Unicode and the end mark. */
const OUTCOMES = 0x110001;
const ROOT = 0;

export function createNgramTrainer(order = 5): NgramTrainer {
  invariant(order >= 1 && order <= 8, 'an order from 1 to 8');
  const tables = Array.from({ length: order }, createNgramTable);

  return {
    add(text, kind) {
      let history = [ROOT];
      for (const symbol of symbolsOf(text, kind)) {
        const now = [ROOT];
        let isNew = false;
        // From the longest n-gram to the shortest, since a new one adds a left context to the next shorter.
        for (let length = Math.min(history.length, order); length >= 1; length--) {
          const table = tableOf(tables, length);
          const before = table.size;
          const id = table.enter(history[length - 1] ?? ROOT, symbol);
          const isLongest = length === Math.min(history.length, order);
          // A mark is a context only: it is never predicted, so it takes no probability.
          if (symbol <= END && (isLongest || isNew)) table.increment(id);
          isNew = id === before;
          now[length] = id;
        }
        history = now;
      }
    },
    finish: () => createNgramModel(tables),
  };
}

function symbolsOf(text: string, kind: TextKind): number[] {
  const symbols: number[] = [MARKS[kind]];
  for (const character of text) symbols.push(character.codePointAt(0) ?? 0);
  symbols.push(END);
  return symbols;
}

function createNgramModel(tables: readonly NgramTable[]): NgramModel {
  const order = tables.length;
  const levels = tables.map((table, index) => summariseLevel(table, tables[index - 1]?.size ?? 1));

  /** Probability of a symbol after the n-grams `history[n]` (ABSENT where unseen) that end just before it. */
  const probabilityOf = (history: readonly number[], symbol: number): number => {
    let probability = 1 / OUTCOMES;
    for (let length = 1; length <= Math.min(history.length, order); length++) {
      const context = history[length - 1] ?? ABSENT;
      if (context === ABSENT) break;
      const { totals, escapes, discounts } = levelOf(levels, length);
      const total = totals[context] ?? 0;
      if (total === 0) break;
      const table = tableOf(tables, length);
      const id = table.find(context, symbol);
      const count = id === ABSENT ? 0 : table.count(id);
      const discounted = Math.max(0, count - (discounts[Math.min(count, 3)] ?? 0));
      probability = discounted / total + (escapes[context] ?? 0) * probability;
    }
    return probability;
  };

  const advance = (history: readonly number[], symbol: number): number[] => {
    const now = [ROOT];
    for (let length = 1; length <= Math.min(history.length, order - 1); length++) {
      const context = history[length - 1] ?? ABSENT;
      now[length] = context === ABSENT ? ABSENT : tableOf(tables, length).find(context, symbol);
    }
    return now;
  };

  return {
    order,
    size: tables.reduce((sum, table) => sum + table.size, 0),
    score(text, kind) {
      let history = advance([ROOT], MARKS[kind]);
      let [characters, nats] = [0, 0];
      for (const character of text) {
        const symbol = character.codePointAt(0) ?? 0;
        nats -= Math.log(probabilityOf(history, symbol));
        history = advance(history, symbol);
        characters += 1;
      }
      return { characters, nats };
    },
    probability(before, kind, character) {
      let history = advance([ROOT], MARKS[kind]);
      for (const earlier of before) history = advance(history, earlier.codePointAt(0) ?? 0);
      return probabilityOf(history, character?.codePointAt(0) ?? END);
    },
  };
}

/** What is needed of one length of n-grams to turn counts into probabilities. */
interface Level {
  /** Sum of the counts after each context. */
  readonly totals: Float64Array;
  /** Share of each context's probability that goes to the shorter context. */
  readonly escapes: Float64Array;
  /** What is taken off a count of 0, 1, 2, and 3 or more. */
  readonly discounts: readonly number[];
}

function summariseLevel(table: NgramTable, contexts: number): Level {
  const totals = new Float64Array(contexts);
  const escapes = new Float64Array(contexts);
  const discounts = estimateDiscounts(table);
  for (let id = 0; id < table.size; id++) {
    const context = table.prefix(id);
    const count = table.count(id);
    totals[context] = (totals[context] ?? 0) + count;
    // No more than the count can be taken off.
    escapes[context] = (escapes[context] ?? 0) + Math.min(count, discounts[Math.min(count, 3)] ?? 0);
  }
  for (const [context, total] of totals.entries()) {
    if (total > 0) escapes[context] = (escapes[context] ?? 0) / total;
  }
  return { totals, escapes, discounts };
}

/** Chen and Goodman's estimate from the number of n-grams that occur once, twice, three and four times. */
function estimateDiscounts(table: NgramTable): number[] {
  const occurring = [0, 0, 0, 0, 0];
  for (let id = 0; id < table.size; id++) {
    const count = table.count(id);
    if (count <= 4) occurring[count] = (occurring[count] ?? 0) + 1;
  }
  const [, once = 0, twice = 0] = occurring;
  const rest = once / Math.max(1, once + 2 * twice);
  return [0, 1, 2, 3].map((count) => {
    if (count === 0) return 0;
    const [here = 0, above = 0] = [occurring[count], occurring[count + 1]];
    const discount = here === 0 ? 0.5 : count - (count + 1) * rest * (above / here);
    // Very small corpora give estimates out of range.
    return Math.min(Math.max(discount, 0.05), count - 0.05);
  });
}

function tableOf(tables: readonly NgramTable[], length: number): NgramTable {
  const table = tables[length - 1];
  invariant(table !== undefined, 'an n-gram longer than the order');
  return table;
}

function levelOf(levels: readonly Level[], length: number): Level {
  const level = levels[length - 1];
  invariant(level !== undefined, 'an n-gram longer than the order');
  return level;
}
