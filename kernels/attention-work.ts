/**
 * How attention over the cache is cut into workgroups: a list of work, made with every step.
 *
 * Positions are cut into chunks of CHUNK, counted from the start of the sequence. A chunk is summed by itself, and chunks
 * are added up in their order, whoever does it: so a token's result has the same bits however its batch was cut. A block
 * of tokens either walks its chunks one after the other and writes the result, or is *split*: each chunk is work of its
 * own and leaves a partial sum, and `attention_combine` adds these up. Blocks of a prompt are many, and walk. What would
 * leave a GPU idle, a token or a few with much to read, is split.
 */
import { NONE, type Params, type ShaderConstants } from './kernel.ts';

/** Positions. Never depends on the batch. */
export const CHUNK = 128;

/** Elements of a partial sum's row before its D values: largest score, sum of the exponentials, two zeros. */
export const PARTIAL_HEAD = 4;

/** Query rows (tokens × the query heads of one key-value head) that a workgroup takes. */
const ROWS: readonly number[] = [2, 4, 8, 16];
const MOST_ROWS = 16;
/** Channels of the result, in fours, that a workgroup takes. */
const CHANNELS: readonly number[] = [16, 32, 64];
const MOST_CHANNELS = 64;

export interface AttentionWork {
  /**
   * u32 [W, 4]: first token of the batch, number of tokens (of one sequence, at positions in a row), chunk (NONE: all,
   * into the result), first entry among the partial sums: token i has entries first + i · chunks on.
   */
  readonly work: Uint32Array;
  /** u32 [S, 2]: a token whose result is the sum of partial ones, and its first entry. */
  readonly splits: Uint32Array;
  /** Most tokens of a piece of work. */
  readonly block: number;
}

export interface WorkLimits {
  /** Most tokens of a block. */
  readonly block: number;
  /** Entries that the partial sums have room for. What does not fit walks: no result depends on it. */
  readonly entries: number;
}

/** Tokens that fill a workgroup. */
export function blockTokens(heads: number, keyValueHeads: number): number {
  return Math.max(1, Math.floor((MOST_ROWS * keyValueHeads) / heads));
}

/** Entries with which every decoding sequence can be split while no two share a page: each has two chunks or more. */
export function partialEntries(cachedPositions: number): number {
  return 2 * Math.ceil(cachedPositions / CHUNK);
}

/** `sequences`, `positions` [T], as `attention` takes them. */
export function attentionWork(
  sequences: Uint32Array,
  positions: Uint32Array,
  limits: WorkLimits,
): AttentionWork {
  const work: number[] = [];
  const splits: number[] = [];
  let entries = 0;
  let block = 1;
  for (let first = 0; first < positions.length;) {
    const run = runLength(sequences, positions, first);
    const chunks = Math.ceil((positions[first]! + run) / CHUNK);
    const isSplit = run <= limits.block && chunks > 1 && entries + run * chunks <= limits.entries;
    if (isSplit) {
      for (let chunk = 0; chunk < chunks; chunk++) work.push(first, run, chunk, entries);
      for (let i = 0; i < run; i++) splits.push(first + i, entries + i * chunks);
      entries += run * chunks;
    } else {
      for (let at = 0; at < run; at += limits.block) {
        work.push(first + at, Math.min(limits.block, run - at), NONE, 0);
      }
    }
    block = Math.max(block, Math.min(limits.block, run));
    first += run;
  }
  return { work: Uint32Array.from(work), splits: Uint32Array.from(splits), block };
}

/** Tokens from `first` on that continue its sequence. */
function runLength(sequences: Uint32Array, positions: Uint32Array, first: number): number {
  let end = first + 1;
  while (
    end < positions.length &&
    sequences[end] === sequences[first] &&
    positions[end] === positions[end - 1]! + 1
  ) {
    end++;
  }
  return end - first;
}

export const attentionChoices: readonly ShaderConstants[] = ROWS.flatMap((rows) =>
  CHANNELS.map((channels) => ({ CHUNK, ROWS: rows, CHANNELS: channels })),
);

/** Decoding takes the smallest tile that has room for a token's rows; whatever has blocks, the largest. */
export function attentionConstants({ H = 0, KV = 0, D = 0, block = 0 }: Params): ShaderConstants {
  const rows = (block === 1 && ROWS.find((size) => size >= H / KV)) || MOST_ROWS;
  const channels = CHANNELS.find((size) => size >= D / 4) ?? MOST_CHANNELS;
  return attentionChoices[ROWS.indexOf(rows) * CHANNELS.length + CHANNELS.indexOf(channels)]!;
}

/** Of a piece of work: by key-value head, by tile of its rows, by channels of the result. */
export function attentionWorkgroups({ H = 0, KV = 0, D = 0, block = 0 }: Params): number {
  const rows = Math.ceil((block * H) / KV / MOST_ROWS);
  return KV * rows * Math.ceil(D / 4 / MOST_CHANNELS);
}
