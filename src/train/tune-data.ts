/** Data of a fine-tuning run: consultations and questions, packed specialty by specialty, answers alone to be learnt. */
import { createHash } from 'node:crypto';
import type { DataProblem } from '../base/data-problem.ts';
import type { Tokenizer, TokenizerFiles } from '../model/tokenizer.ts';
import { requireRows } from './batches.ts';
import { selectShardDocuments } from './data/corpus.ts';
import type { EncodedCorpus } from './data/corpus.ts';
import { loadCorpus } from './data/load-corpus.ts';
import { packDataset } from './data/packing.ts';
import type { PackedDataset } from './data/packing.ts';
import type { TuneRunConfig } from './tune-config.ts';

export interface TuneDataRequest {
  readonly config: TuneRunConfig;
  readonly tokenizer: Tokenizer;
  readonly tokenizerFiles: TokenizerFiles;
  readonly dataDirectory: string;
  readonly folder: string;
  /** Path that the encoded corpus is kept at, less its ending; by default beside the folder. */
  readonly corpusPath?: string;
  /** As of `loadCorpus`. */
  readonly onBadRow?: (problem: DataProblem) => void;
}

export interface TuneData {
  /** By specialty, in the order of the config. */
  readonly train: readonly PackedDataset[];
  readonly valid: readonly PackedDataset[];
  /** Of everything that batches are made from. */
  readonly sha256: string;
}

export async function loadTuneData(request: TuneDataRequest): Promise<TuneData> {
  const [train, valid] = [await load(request, 'train'), await load(request, 'valid')];
  const hash = createHash('sha256');
  for (const corpus of [train, valid]) addCorpus(hash, corpus);
  return {
    train: pack(request.config, train, 'train'),
    valid: pack(request.config, valid, 'valid'),
    sha256: hash.digest('hex'),
  };
}

function load(request: TuneDataRequest, split: 'train' | 'valid'): Promise<EncodedCorpus> {
  const { dataDirectory, tokenizer, tokenizerFiles, folder, corpusPath = folder } = request;
  const cachePath = `${corpusPath}-${split}.corpus`;
  const { onBadRow } = request;
  return loadCorpus({
    dataDirectory,
    split,
    parts: ['sft', 'mcq'],
    tokenizer,
    tokenizerFiles,
    cachePath,
    ...(onBadRow === undefined ? {} : { onBadRow }),
  });
}

function addCorpus(hash: ReturnType<typeof createHash>, { tokens, answers, documents }: EncodedCorpus): void {
  const places = documents.map(({ specialty, start, end, turns }) => [specialty, start, end, turns]);
  hash.update(tokens).update(answers).update(JSON.stringify(places));
}

function pack(config: TuneRunConfig, corpus: EncodedCorpus, split: 'train' | 'valid'): PackedDataset[] {
  return config.specialties.map((specialty) => {
    const dataset = packDataset(selectShardDocuments(corpus, specialty), {
      rowLength: config.rowLength,
      seed: config.seed,
      learn: 'answers',
    });
    requireRows(dataset, `The ${split} data of ${specialty}`);
    return dataset;
  });
}
