/**
 * Bits per character of a language model on held-out text, comparable with the n-gram model: both are measured on exactly
 * the same characters. Of a text (pretrain) that is every character; of a chat every character of the assistant's answers.
 * Marks of turns and ends of texts are never counted, neither their bits nor their length. Characters are code points of
 * the trimmed message or the whole text.
 */
import { CallerError } from '../base/errors.ts';
import { invariant } from '../base/invariant.ts';
import { createRandom } from '../base/random.ts';

export interface ScoredDocument {
  readonly id: string;
  readonly specialty: string | null;
  /** Characters that the marked tokens spell. */
  readonly characters: number;
  readonly ids: readonly number[];
  /** 1 for tokens to be scored. The first token is predicted from nothing, so it is never one of them. */
  readonly mask: Uint8Array;
}

/** A stretch of a document that the scorer sees at once. */
export interface ScoringWindow {
  readonly document: ScoredDocument;
  readonly ids: readonly number[];
  readonly mask: Uint8Array;
}

export interface TokenScorer {
  /**
   * Of each window, minus the summed natural logarithm of the probabilities of its marked tokens, each given all tokens
   * of the window before it. All windows come in one call, so that a scorer may batch them as it likes.
   */
  scoreWindows(windows: readonly ScoringWindow[]): Promise<readonly number[]>;
}

/** What one model says of one document. */
export interface DocumentScore {
  readonly id: string;
  readonly specialty: string | null;
  readonly characters: number;
  readonly nats: number;
}

export interface ScoreOptions {
  /** Longest sequence that the scorer takes. */
  readonly maxTokens: number;
  /**
   * Of a document longer than that, each window begins this many tokens after the one before; every token is scored once,
   * in the first window that holds it, so with at least maxTokens − stride tokens before it.
   */
  readonly stride: number;
}

export async function scoreDocuments(
  documents: readonly ScoredDocument[],
  scorer: TokenScorer,
  options: ScoreOptions,
): Promise<DocumentScore[]> {
  if (!(options.stride >= 1 && options.stride < options.maxTokens)) {
    throw new CallerError('bad_stride', 'The stride must be at least 1 and below the longest sequence.');
  }
  const windows = documents.flatMap((document) => splitWindows(document, options));
  const scores = await scorer.scoreWindows(windows);
  invariant(scores.length === windows.length, 'a score for each window');
  const nats = new Map<ScoredDocument, number>();
  for (const [index, { document }] of windows.entries()) {
    nats.set(document, (nats.get(document) ?? 0) + (scores[index] ?? 0));
  }
  return documents.map((document) => {
    const { id, specialty, characters } = document;
    return { id, specialty, characters, nats: nats.get(document) ?? 0 };
  });
}

/** Windows without a marked token are left out. */
function splitWindows(document: ScoredDocument, { maxTokens, stride }: ScoreOptions): ScoringWindow[] {
  const { ids, mask } = document;
  invariant(ids.length === mask.length, 'a mask as long as its document');
  invariant(mask[0] !== 1, 'the first token is not scored');
  const windows: ScoringWindow[] = [];
  let scored = 0;
  for (let start = 0; scored < ids.length; start += stride) {
    const end = Math.min(start + maxTokens, ids.length);
    const windowMask = mask.slice(start, end);
    windowMask.fill(0, 0, scored - start);
    windows.push({ document, ids: ids.slice(start, end), mask: windowMask });
    scored = end;
  }
  return windows.filter((window) => window.mask.includes(1));
}

/** With a 95 % interval by resampling documents. */
export interface Estimate {
  readonly value: number;
  readonly low: number;
  readonly high: number;
  readonly documents: number;
  readonly characters: number;
}

/** `overall`, then one estimate for each specialty, `null` under its own key. */
export interface Breakdown {
  readonly overall: Estimate;
  readonly bySpecialty: ReadonlyMap<string | null, Estimate>;
}

export interface BootstrapOptions {
  readonly seed: number;
  readonly resamples: number;
}

const DEFAULT_BOOTSTRAP: BootstrapOptions = { seed: 1, resamples: 2000 };

export function bitsPerCharacter(
  scores: readonly DocumentScore[],
  bootstrap: BootstrapOptions = DEFAULT_BOOTSTRAP,
): Breakdown {
  return breakDown(
    scores.map(({ specialty, characters, nats }) => ({ specialty, characters, nats })),
    bootstrap,
  );
}

/**
 * Bits per character of `left` minus those of `right`, on the same documents; below zero where `left` is better. Paired:
 * each resample takes the same documents of both.
 */
export function compareBitsPerCharacter(
  left: readonly DocumentScore[],
  right: readonly DocumentScore[],
  bootstrap: BootstrapOptions = DEFAULT_BOOTSTRAP,
): Breakdown {
  const others = new Map(right.map((score) => [score.id, score]));
  if (others.size !== right.length || left.length !== right.length) throw unequal();
  const differences = left.map(({ id, specialty, characters, nats }) => {
    const other = others.get(id);
    if (other === undefined || other.characters !== characters) throw unequal();
    return { specialty, characters, nats: nats - other.nats };
  });
  return breakDown(differences, bootstrap);
}

function unequal(): CallerError {
  return new CallerError(
    'unequal_documents',
    'Only scores of the same documents can be compared: score both models on the same file.',
  );
}

interface Measured {
  readonly specialty: string | null;
  readonly characters: number;
  readonly nats: number;
}

function breakDown(measured: readonly Measured[], bootstrap: BootstrapOptions): Breakdown {
  const groups = new Map<string | null, Measured[]>();
  for (const item of measured) {
    const group = groups.get(item.specialty);
    if (group === undefined) groups.set(item.specialty, [item]);
    else group.push(item);
  }
  return {
    overall: estimate(measured, bootstrap),
    bySpecialty: new Map([...groups].map(([specialty, group]) => [specialty, estimate(group, bootstrap)])),
  };
}

function estimate(measured: readonly Measured[], { seed, resamples }: BootstrapOptions): Estimate {
  const characters = measured.reduce((sum, item) => sum + item.characters, 0);
  if (characters === 0) {
    throw new CallerError(
      'nothing_scored',
      'There are no characters to score: check the file and its masks.',
    );
  }
  const nats = measured.reduce((sum, item) => sum + item.nats, 0);
  const random = createRandom(seed);
  const values: number[] = [];
  for (let resample = 0; resample < resamples; resample++) {
    let [sumOfNats, sumOfCharacters] = [0, 0];
    for (let draw = 0; draw < measured.length; draw++) {
      const item = measured[random.integer(measured.length)];
      sumOfNats += item?.nats ?? 0;
      sumOfCharacters += item?.characters ?? 0;
    }
    if (sumOfCharacters > 0) values.push(toBits(sumOfNats, sumOfCharacters));
  }
  values.sort((first, second) => first - second);
  const at = (share: number): number =>
    values[Math.round(share * (values.length - 1))] ?? toBits(nats, characters);
  return {
    value: toBits(nats, characters),
    low: at(0.025),
    high: at(0.975),
    documents: measured.length,
    characters,
  };
}

function toBits(nats: number, characters: number): number {
  return nats / Math.LN2 / characters;
}
