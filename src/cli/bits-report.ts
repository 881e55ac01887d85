/** Bits per character of base, right shards, wrong shards and an n-gram model, on exactly the same characters. */
import { bitsPerCharacter, compareBitsPerCharacter, scoreDocuments } from '../eval/bits-per-character.ts';
import type { Breakdown, Estimate, TokenScorer } from '../eval/bits-per-character.ts';
import { createNgramTrainer } from '../eval/ngram/kneser-ney.ts';
import type { NgramModel } from '../eval/ngram/kneser-ney.ts';
import { addDocuments, scorePassages } from '../eval/ngram/score-passages.ts';
import type { Tokenizer, TokenizerFiles } from '../model/tokenizer.ts';
import { GENERAL } from '../train/data/corpus.ts';
import { makeHeldOutDocuments } from '../train/data/held-out.ts';
import { ALL_PARTS, loadCorpus } from '../train/data/load-corpus.ts';
import { readPassages } from '../train/data/passages.ts';
import { NO_SHARDS } from '../train/tune-pool.ts';
import type { Scorer } from '../train/scorer.ts';
import type { ActiveShards } from '../train/shard-routes.ts';

export interface BitsRequest {
  readonly dataDirectory: string;
  readonly tokenizer: Tokenizer;
  readonly tokenizerFiles: TokenizerFiles;
  readonly baseFingerprint: string;
  readonly shardVersion: string;
  /** In the order of the scorer's shards. */
  readonly specialties: readonly string[];
  readonly scorer: Scorer;
  readonly maxTokens: number;
  /** A total of 0 ends the phase. */
  readonly onPhase: (what: string, total: number) => void;
  readonly onProgress: (done: number) => void;
}

export const MODELS = ['ngram', 'base', 'right', 'wrong'] as const;
export type BitsModel = (typeof MODELS)[number];

export interface PartReport {
  readonly models: Readonly<Record<BitsModel, Groups>>;
  /** Differences, below zero where the first is better. */
  readonly rightMinusBase: Groups;
  readonly rightMinusWrong: Groups;
}

export interface Groups {
  readonly overall: Estimate;
  readonly bySpecialty: Readonly<Record<string, Estimate>>;
}

export interface BitsReport {
  readonly baseFingerprint: string;
  readonly shardVersion: string;
  readonly parts: Readonly<Record<'pretrain' | 'sft', PartReport>>;
}

/** Windows of a long document overlap by half. */
const STRIDE_SHARE = 0.5;
/** How far along the list of specialties the wrong shard lies: the same for every document. */
const WRONG_STEP = 5;

export async function measureBits(request: BitsRequest): Promise<BitsReport> {
  const yardstick = await trainNgram(request);
  const pretrain = await measurePart(request, yardstick, 'pretrain');
  const sft = await measurePart(request, yardstick, 'sft');
  const { baseFingerprint, shardVersion } = request;
  return { baseFingerprint, shardVersion, parts: { pretrain, sft } };
}

async function measurePart(
  request: BitsRequest,
  yardstick: NgramModel,
  part: 'pretrain' | 'sft',
): Promise<PartReport> {
  const { dataDirectory, tokenizer, tokenizerFiles, maxTokens } = request;
  const corpus = await loadCorpus({
    dataDirectory,
    split: 'valid',
    parts: [part],
    tokenizer,
    tokenizerFiles,
  });
  const documents = makeHeldOutDocuments(corpus, tokenizer);
  const options = { maxTokens, stride: Math.floor(maxTokens * STRIDE_SHARE) };
  const scoreWith = (what: string, choose: (specialty: string | null) => ActiveShards) =>
    scoreDocuments(documents, windowScorer(request, `${part}, ${what}`, choose), options);
  const base = await scoreWith('base', () => NO_SHARDS);
  const right = await scoreWith('right shards', (specialty) => shardOf(request.specialties, specialty, 0));
  const wrong = await scoreWith('wrong shards', (specialty) =>
    shardOf(request.specialties, specialty, WRONG_STEP),
  );
  const ngram = await scorePassages(yardstick, readPassages({ dataDirectory, part, split: 'valid' }));
  return {
    models: {
      ngram: groups(bitsPerCharacter(ngram)),
      base: groups(bitsPerCharacter(base)),
      right: groups(bitsPerCharacter(right)),
      wrong: groups(bitsPerCharacter(wrong)),
    },
    rightMinusBase: groups(compareBitsPerCharacter(right, base)),
    rightMinusWrong: groups(compareBitsPerCharacter(right, wrong)),
  };
}

function windowScorer(
  { scorer, onPhase, onProgress }: BitsRequest,
  what: string,
  choose: (specialty: string | null) => ActiveShards,
): TokenScorer {
  return {
    async scoreWindows(windows) {
      onPhase(what, windows.length);
      const active = windows.map(({ document }) => choose(document.specialty));
      const scores = await scorer.score(windows, active, onProgress);
      onPhase(what, 0);
      return scores;
    },
  };
}

/** Rows without specialty belong to the general shard; the wrong one is a specialty's, never the general one. */
function shardOf(specialties: readonly string[], specialty: string | null, step: number): ActiveShards {
  const named = specialties.filter((name) => name !== GENERAL);
  const own = specialty ?? GENERAL;
  const place = named.indexOf(own);
  const wanted = step === 0 ? own : named[(Math.max(0, place) + step) % named.length];
  const shard = specialties.indexOf(wanted ?? GENERAL);
  return shard < 0 ? NO_SHARDS : { shards: [shard], priors: [1] };
}

/** One n-gram model of all training texts, as the base saw all of them. */
async function trainNgram({ dataDirectory }: BitsRequest): Promise<NgramModel> {
  const trainer = createNgramTrainer(5);
  for (const part of ALL_PARTS) {
    await addDocuments(trainer, readPassages({ dataDirectory, part, split: 'train' }));
  }
  return trainer.finish();
}

function groups({ overall, bySpecialty }: Breakdown): Groups {
  const entries = [...bySpecialty].map(([name, estimate]) => [name ?? 'none', estimate] as const);
  return { overall, bySpecialty: Object.fromEntries(entries) };
}
