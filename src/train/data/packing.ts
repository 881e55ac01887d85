/**
 * Packs documents into rows of one length, several to a row, so that little of a batch is padding. A token may attend only
 * to its own document, and positions begin anew with each.
 */
import { CallerError } from '../../base/errors.ts';
import { createRandom } from '../../base/random.ts';
import type { CorpusDocument, EncodedCorpus } from './corpus.ts';

/** In place of a target where nothing is to be learnt. */
export const NO_TARGET = 0xffffffff;

/** One row of T tokens. */
export interface PackedRow {
  readonly tokens: Uint32Array;
  /** The token that follows each, or NO_TARGET. */
  readonly targets: Uint32Array;
  /** Position of each token in its document. */
  readonly positions: Uint32Array;
  /** Index in the row of the first token of the token's document: attention may not look before it. */
  readonly starts: Uint32Array;
}

export interface PackedDataset {
  readonly rowLength: number;
  readonly rowCount: number;
  /** Tokens of documents in all rows; the rest is padding. */
  readonly tokenCount: number;
  readonly targetCount: number;
  row(index: number): PackedRow;
}

export interface PackOptions {
  readonly rowLength: number;
  /** The same seed gives the same rows in the same order. */
  readonly seed: number;
  /**
   * What is learnt: every token, or the assistant's answers alone. A chat that is too long is cut and read on for the one,
   * and loses the middle of its question and the end of its answer for the other.
   */
  readonly learn: 'everything' | 'answers';
}

/** A stretch of a document that goes into one row: at most two ranges of corpus positions. */
interface Piece {
  readonly ranges: readonly (readonly [number, number])[];
  readonly length: number;
  /** End of the document: the last token of a piece may learn the token after it, if that is still the document's. */
  readonly documentEnd: number;
}

export function packDataset(corpus: EncodedCorpus, options: PackOptions): PackedDataset {
  const { rowLength, learn } = options;
  if (!Number.isInteger(rowLength) || rowLength < 8) {
    throw new CallerError(
      'bad_row_length',
      `A row needs a whole number of at least 8 tokens, not ${rowLength}.`,
    );
  }
  const random = createRandom(options.seed);
  const isTarget = (at: number): boolean => learn === 'everything' || corpus.answers[at] === 1;

  const pieces = random
    .shuffle([...corpus.documents])
    .flatMap((document) => cutDocument(corpus, document, options))
    .filter((piece) => countTargets(piece, isTarget) > 0);
  const rows = random.shuffle(fillRows(pieces, rowLength));

  const sum = (measure: (piece: Piece) => number): number =>
    pieces.reduce((total, piece) => total + measure(piece), 0);
  return {
    rowLength,
    rowCount: rows.length,
    tokenCount: sum((piece) => piece.length),
    targetCount: sum((piece) => countTargets(piece, isTarget)),
    row(index) {
      const row = rows[index];
      if (row === undefined) throw new RangeError(`row ${index} of ${rows.length}`);
      return layOutRow(corpus, row, rowLength, isTarget);
    },
  };
}

function cutDocument(corpus: EncodedCorpus, document: CorpusDocument, options: PackOptions): Piece[] {
  const { rowLength, learn } = options;
  if (document.turns === null) return cutAnywhere(document.start, document);
  const pieces: Piece[] = [];
  const bounds = [...document.turns, document.end];
  let first = 0;
  while (first < bounds.length - 1) {
    // As many whole turns as fit.
    let last = first + 1;
    const start = bounds[first] ?? document.start;
    while (last + 1 < bounds.length && (bounds[last + 1] ?? 0) - start <= rowLength) last += 1;
    const end = bounds[last] ?? document.end;
    if (end - start <= rowLength) pieces.push(makePiece([[start, end]], end));
    else if (learn === 'everything') pieces.push(...cutAnywhere(start, { end }));
    else pieces.push(truncateTurn(corpus, start, end, rowLength));
    first = last;
  }
  return pieces;

  function cutAnywhere(from: number, { end }: { readonly end: number }): Piece[] {
    const cut: Piece[] = [];
    for (let start = from; start < end; start += rowLength) {
      cut.push(makePiece([[start, Math.min(start + rowLength, end)]], end));
    }
    return cut;
  }
}

/** A question too long loses its middle, which keeps the marks of its turn; then the answer goes as far as it fits. */
function truncateTurn(corpus: EncodedCorpus, start: number, end: number, rowLength: number): Piece {
  let answer = start;
  while (answer < end && corpus.answers[answer] !== 1) answer += 1;
  const kept = Math.floor(rowLength / 4);
  if (answer - start <= 2 * kept) return makePiece([[start, start + rowLength]], start + rowLength);
  const resumed = answer - kept;
  const stop = Math.min(end, resumed + rowLength - kept);
  return makePiece(
    [
      [start, start + kept],
      [resumed, stop],
    ],
    stop,
  );
}

function makePiece(ranges: readonly (readonly [number, number])[], documentEnd: number): Piece {
  return { ranges, length: ranges.reduce((sum, [start, end]) => sum + end - start, 0), documentEnd };
}

/** Visits the corpus positions of a piece; `next` is the position of the target, or null where there is none. */
function visitPiece(piece: Piece, visit: (at: number, next: number | null) => void): void {
  for (const [index, [start, end]] of piece.ranges.entries()) {
    const isLast = index === piece.ranges.length - 1;
    for (let at = start; at < end; at++) {
      const follows = at + 1 < end || (isLast && at + 1 < piece.documentEnd);
      visit(at, follows ? at + 1 : null);
    }
  }
}

function countTargets(piece: Piece, isTarget: (at: number) => boolean): number {
  let count = 0;
  visitPiece(piece, (_, next) => {
    if (next !== null && isTarget(next)) count += 1;
  });
  return count;
}

/** Best fit: each piece goes to the row whose free space it fills best. */
function fillRows(pieces: readonly Piece[], rowLength: number): Piece[][] {
  const rows: Piece[][] = [];
  /** Rows by the space left in them. */
  const bySpace: Piece[][][] = Array.from({ length: rowLength + 1 }, () => []);
  for (const piece of pieces) {
    let space = piece.length;
    while (space <= rowLength && bySpace[space]?.length === 0) space += 1;
    let row = bySpace[space]?.pop();
    if (row === undefined) {
      row = [];
      rows.push(row);
      space = rowLength;
    }
    row.push(piece);
    bySpace[space - piece.length]?.push(row);
  }
  return rows;
}

function layOutRow(
  corpus: EncodedCorpus,
  pieces: readonly Piece[],
  rowLength: number,
  isTarget: (at: number) => boolean,
): PackedRow {
  const tokens = new Uint32Array(rowLength);
  const targets = new Uint32Array(rowLength).fill(NO_TARGET);
  const positions = new Uint32Array(rowLength);
  const starts = new Uint32Array(rowLength);
  let at = 0;
  for (const piece of pieces) {
    const start = at;
    visitPiece(piece, (from, next) => {
      tokens[at] = corpus.tokens[from] ?? 0;
      if (next !== null && isTarget(next)) targets[at] = corpus.tokens[next] ?? NO_TARGET;
      positions[at] = at - start;
      starts[at] = start;
      at += 1;
    });
  }
  // Each token of padding is a document of its own.
  for (; at < rowLength; at++) starts[at] = at;
  return { tokens, targets, positions, starts };
}
