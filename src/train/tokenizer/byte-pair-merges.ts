/**
 * Learns byte-pair merges from counted pieces. Pair counts and places are kept up to date merge by merge, so the cost is
 * about the number of symbols ever merged, not merges times corpus. Chinese clauses make long, mostly unique pieces, hence
 * flat typed arrays with links instead of one array per piece.
 *
 * A merge may join whole characters, or bytes of one character from its first byte on, never the tail of one character
 * with the head of the next: such tokens waste the vocabulary and cannot be shown while streaming.
 */
import { invariant } from '../../base/invariant.ts';
import { BYTES_BY_ID } from '../../model/byte-alphabet.ts';
import { createPairHeap } from './pair-heap.ts';

export interface MergeOptions {
  /** Merges wanted; fewer are returned when the pieces have no more pairs that occur twice. */
  readonly merges: number;
  /** Longest token, in bytes. */
  readonly maxTokenBytes: number;
}

export interface LearntMerges {
  /** Token bytes by id: 256 bytes, then one per merge. */
  readonly tokens: Uint8Array[];
  /** Pairs of ids, in the order they were learnt. */
  readonly pairs: [number, number][];
}

const END = -1;
const NO_BYTES = new Uint8Array(0);
/** Pairs are keyed left * KEY_BASE + right, which stays an exact integer. */
const KEY_BASE = 2 ** 20;

export function learnMerges(pieces: ReadonlyMap<string, number>, options: MergeOptions): LearntMerges {
  const { symbols, next, previous, weights, length } = layOut(pieces);
  const vocabulary = createVocabulary(options.maxTokenBytes);
  invariant(vocabulary.tokens.length + options.merges < KEY_BASE, 'too many merges for the pair keys');
  const counts = new Map<number, number>();
  const places = new Map<number, number[]>();
  const heap = createPairHeap();

  for (let place = 0; place < length; place++) {
    const after = next[place] ?? END;
    if (after !== END) note(symbols[place] ?? 0, symbols[after] ?? 0, place);
  }
  for (const key of counts.keys()) offer(key);

  const pairs: [number, number][] = [];
  while (pairs.length < options.merges) {
    const best = heap.pop();
    if (best === null) break;
    // Counts only fall once a pair has been offered, so an entry that is out of date goes back in at its true place.
    if (counts.get(best.key) !== best.count) {
      offer(best.key);
      continue;
    }
    const left = Math.floor(best.key / KEY_BASE);
    const right = best.key % KEY_BASE;
    pairs.push([left, right]);
    for (const key of merge(best.key, left, right, vocabulary.join(left, right))) offer(key);
  }
  return { tokens: vocabulary.tokens, pairs };

  /** Counts a pair that lies at `place`; returns its key, or END when the two may never be merged. */
  function note(left: number, right: number, place: number): number {
    if (!vocabulary.mayJoin(left, right)) return END;
    const key = left * KEY_BASE + right;
    counts.set(key, (counts.get(key) ?? 0) + (weights[place] ?? 0));
    const known = places.get(key);
    if (known === undefined) places.set(key, [place]);
    else known.push(place);
    return key;
  }

  function forget(left: number, right: number, weight: number): void {
    const key = left * KEY_BASE + right;
    const count = counts.get(key);
    if (count !== undefined) counts.set(key, count - weight);
  }

  function offer(key: number): void {
    const count = counts.get(key) ?? 0;
    if (count >= 2) heap.push(key, count);
  }

  /** Replaces every occurrence of the pair, left to right, and returns the pairs that came into being. */
  function merge(key: number, left: number, right: number, joined: number): Set<number> {
    const born = new Set<number>();
    for (const place of places.get(key) ?? []) {
      const after = next[place] ?? END;
      // A place is noted once and never withdrawn, so it may be out of date.
      if (symbols[place] !== left || after === END || symbols[after] !== right) continue;
      const weight = weights[place] ?? 0;
      const before = previous[place] ?? END;
      const beyond = next[after] ?? END;
      symbols[place] = joined;
      symbols[after] = END;
      next[place] = beyond;
      if (before !== END) {
        const neighbour = symbols[before] ?? 0;
        forget(neighbour, left, weight);
        born.add(note(neighbour, joined, before));
      }
      if (beyond !== END) {
        previous[beyond] = place;
        const neighbour = symbols[beyond] ?? 0;
        forget(right, neighbour, weight);
        born.add(note(joined, neighbour, place));
      }
    }
    counts.delete(key);
    places.delete(key);
    return born;
  }
}

interface Layout {
  readonly symbols: Int32Array;
  readonly next: Int32Array;
  readonly previous: Int32Array;
  readonly weights: Int32Array;
  readonly length: number;
}

/** All pieces one after another, one symbol a byte; a piece that occurs n times has weight n. */
function layOut(pieces: ReadonlyMap<string, number>): Layout {
  const encoder = new TextEncoder();
  let length = 0;
  for (const piece of pieces.keys()) length += encoder.encode(piece).length;
  const symbols = new Int32Array(length);
  const next = new Int32Array(length);
  const previous = new Int32Array(length);
  const weights = new Int32Array(length);
  const idOfByte = new Int32Array(256);
  for (const [id, byte] of BYTES_BY_ID.entries()) idOfByte[byte] = id;
  let at = 0;
  for (const [piece, weight] of pieces) {
    const start = at;
    for (const byte of encoder.encode(piece)) {
      symbols[at] = idOfByte[byte] ?? 0;
      previous[at] = at === start ? END : at - 1;
      next[at] = at + 1;
      weights[at] = weight;
      at += 1;
    }
    if (at > start) next[at - 1] = END;
  }
  return { symbols, next, previous, weights, length };
}

interface Vocabulary {
  /** Token bytes by id. */
  readonly tokens: Uint8Array[];
  mayJoin(left: number, right: number): boolean;
  /** Adds the join of two tokens and returns its id. */
  join(left: number, right: number): number;
}

function createVocabulary(maxTokenBytes: number): Vocabulary {
  const tokens: Uint8Array[] = [];
  /** Bytes the token's first character needs in all; 0 when it begins inside a character. */
  const needed: number[] = [];
  const whole: boolean[] = [];
  const add = (bytes: Uint8Array, isWhole: boolean): number => {
    tokens.push(bytes);
    needed.push(characterLength(bytes[0] ?? 0));
    whole.push(isWhole);
    return tokens.length - 1;
  };
  for (const byte of BYTES_BY_ID) add(Uint8Array.of(byte), byte < 0x80);
  const bytesOf = (id: number): Uint8Array => tokens[id] ?? NO_BYTES;
  const lengthOf = (id: number): number => bytesOf(id).length;
  return {
    tokens,
    mayJoin(left, right) {
      const length = lengthOf(left) + lengthOf(right);
      if (whole[left] === true) return whole[right] === true && length <= maxTokenBytes;
      return needed[right] === 0 && length <= (needed[left] ?? 0);
    },
    join(left, right) {
      const joined = new Uint8Array(lengthOf(left) + lengthOf(right));
      joined.set(bytesOf(left));
      joined.set(bytesOf(right), lengthOf(left));
      return add(joined, whole[left] === true || joined.length === needed[left]);
    },
  };
}

/** Bytes of the character that this byte begins; 0 when it cannot begin one. */
function characterLength(byte: number): number {
  if (byte < 0x80) return 1;
  if (byte < 0xc0) return 0;
  if (byte < 0xe0) return 2;
  if (byte < 0xf0) return 3;
  return byte < 0xf8 ? 4 : 0;
}
