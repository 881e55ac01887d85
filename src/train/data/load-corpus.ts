/** From the data directory to an encoded corpus, through a cache file. Only the open parts are ever read. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { CallerError } from '../../base/errors.ts';
import type { Tokenizer, TokenizerFiles } from '../../model/tokenizer.ts';
import { createCorpusBuilder, type CorpusPart, type EncodedCorpus } from './corpus.ts';
import { readCorpusFile, writeCorpusFile } from './corpus-file.ts';
import { createRowEncoder } from './encode-rows.ts';
import { readRows, type ReadOptions } from './read-rows.ts';
import { mcqRowSchema, pretrainRowSchema, sftRowSchema } from './rows.ts';

export interface CorpusRequest extends ReadOptions {
  /** Directory with pretrain/, sft/ and mcq/. */
  readonly dataDirectory: string;
  readonly split: 'train' | 'valid';
  readonly parts: readonly CorpusPart[];
  readonly tokenizer: Tokenizer;
  /** The files that the tokenizer was made from: a cache holds only for them. */
  readonly tokenizerFiles: TokenizerFiles;
  /** Where to keep the encoded corpus; without it nothing is kept. */
  readonly cachePath?: string;
}

/** All a base learns from: texts, consultations and questions. */
export const ALL_PARTS: readonly CorpusPart[] = ['pretrain', 'sft', 'mcq'];

/** To be raised when encoding changes, so that older cache files are made anew. */
const ENCODING_VERSION = 1;

export async function loadCorpus(request: CorpusRequest): Promise<EncodedCorpus> {
  const { cachePath } = request;
  if (cachePath === undefined) return encodeCorpus(request);
  const fingerprint = await fingerprintRequest(request);
  const kept = await readCorpusFile(cachePath, fingerprint);
  if (kept !== null) return kept;
  const corpus = await encodeCorpus(request);
  await writeCorpusFile(cachePath, corpus, fingerprint);
  return corpus;
}

export function partPath(dataDirectory: string, part: CorpusPart, split: 'train' | 'valid'): string {
  return join(dataDirectory, part, `${split}.jsonl.gz`);
}

async function encodeCorpus(request: CorpusRequest): Promise<EncodedCorpus> {
  const builder = createCorpusBuilder();
  const encoder = createRowEncoder(request.tokenizer, builder);
  for (const part of request.parts) {
    const path = partPath(request.dataDirectory, part, request.split);
    if (part === 'pretrain') {
      for await (const row of readRows(path, pretrainRowSchema, request)) encoder.pretrain(row);
    } else if (part === 'sft') {
      for await (const row of readRows(path, sftRowSchema, request)) encoder.sft(row);
    } else {
      for await (const row of readRows(path, mcqRowSchema, request)) encoder.mcq(row);
    }
  }
  return builder.finish();
}

async function fingerprintRequest(request: CorpusRequest): Promise<string> {
  const hash = createHash('sha256');
  hash.update(JSON.stringify([ENCODING_VERSION, request.split, request.parts, request.tokenizerFiles]));
  for (const part of request.parts) {
    const path = partPath(request.dataDirectory, part, request.split);
    try {
      const file: AsyncIterable<Buffer> = createReadStream(path);
      for await (const chunk of file) hash.update(chunk);
    } catch (cause) {
      throw new CallerError('unreadable_data', `${path} cannot be read: check the data directory.`, {
        param: path,
        cause,
      });
    }
  }
  return hash.digest('hex');
}
