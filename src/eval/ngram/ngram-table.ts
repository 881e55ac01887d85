/** N-grams of one length: each is an (n−1)-gram and a symbol, gets the next id, and carries a count. Open addressing. */
import { invariant } from '../../base/invariant.ts';

export interface NgramTable {
  readonly size: number;
  /** Id of the n-gram, or ABSENT. */
  find(prefix: number, symbol: number): number;
  /** Id of the n-gram, which is entered with count 0 if it is new (its id then is the former `size`). */
  enter(prefix: number, symbol: number): number;
  increment(id: number): void;
  count(id: number): number;
  prefix(id: number): number;
}

export const ABSENT = -1;

/** Symbols are below this; prefix * SYMBOLS + symbol stays an exact integer. */
const SYMBOLS = 2 ** 21;

const MAX_IDS = 2 ** 28;

export function createNgramTable(): NgramTable {
  let keys = new Float64Array(2 ** 10);
  let counts = new Uint32Array(2 ** 10);
  /** Ids by hash; twice as many as there can be ids before it grows. */
  let slots = new Int32Array(2 ** 11).fill(ABSENT);
  let size = 0;

  /** The slot that holds the key, or the empty one where it belongs. */
  const locate = (key: number): number => {
    const mask = slots.length - 1;
    let at = hash(key) & mask;
    for (;;) {
      const id = slots[at] ?? ABSENT;
      if (id === ABSENT || keys[id] === key) return at;
      at = (at + 1) & mask;
    }
  };
  const grow = (): void => {
    invariant(size * 2 <= MAX_IDS, 'too many n-grams');
    const [oldKeys, oldCounts] = [keys, counts];
    keys = new Float64Array(size * 2);
    keys.set(oldKeys);
    counts = new Uint32Array(size * 2);
    counts.set(oldCounts);
    slots = new Int32Array(size * 4).fill(ABSENT);
    for (let id = 0; id < size; id++) slots[locate(keys[id] ?? 0)] = id;
  };

  return {
    get size() {
      return size;
    },
    find: (prefix, symbol) => slots[locate(prefix * SYMBOLS + symbol)] ?? ABSENT,
    enter(prefix, symbol) {
      const key = prefix * SYMBOLS + symbol;
      const slot = locate(key);
      const known = slots[slot] ?? ABSENT;
      if (known !== ABSENT) return known;
      if (size === keys.length) {
        grow();
        slots[locate(key)] = size;
      } else {
        slots[slot] = size;
      }
      keys[size] = key;
      size += 1;
      return size - 1;
    },
    increment(id) {
      counts[id] = (counts[id] ?? 0) + 1;
    },
    count: (id) => counts[id] ?? 0,
    prefix: (id) => Math.floor((keys[id] ?? 0) / SYMBOLS),
  };
}

/** Mixes both halves of a key below 2^53. */
function hash(key: number): number {
  let mixed = Math.imul(key >>> 0, 0x9e3779b1) ^ Math.imul(Math.floor(key / 2 ** 32), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x2c1b3c6d);
  return (mixed ^ (mixed >>> 13)) >>> 0;
}
