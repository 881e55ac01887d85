/** From the data directory to an encoded corpus, through a cache file. Only the open parts are ever read. */
import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createProblemList, type DataProblem } from '../../base/data-problem.ts';
import { CallerError } from '../../base/errors.ts';
import { parseSpecialties } from '../../base/specialty-list.ts';
import type { Tokenizer, TokenizerFiles } from '../../model/tokenizer.ts';
import { createCorpusBuilder, type CorpusPart, type EncodedCorpus } from './corpus.ts';
import { readCorpusFile, writeCorpusFile } from './corpus-file.ts';
import { createRowEncoder } from './encode-rows.ts';
import { badData, createRowCheck, readRows } from './read-rows.ts';
import { mcqRowSchema, pretrainRowSchema, sftRowSchema } from './rows.ts';

export interface CorpusRequest {
  /** Directory with pretrain/, sft/ and mcq/, and specialties.json where labels are to be checked. */
  readonly dataDirectory: string;
  readonly split: 'train' | 'valid';
  readonly parts: readonly CorpusPart[];
  readonly tokenizer: Tokenizer;
  /** The files that the tokenizer was made from: a cache holds only for them. */
  readonly tokenizerFiles: TokenizerFiles;
  /** Where to keep the encoded corpus; without it nothing is kept. */
  readonly cachePath?: string;
  /** Called for each bad row, which is then left out; without it, bad rows are an error that lists those of all parts. */
  readonly onBadRow?: (problem: DataProblem) => void;
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
  const labels = await readSpecialties(request.dataDirectory);
  // The list of labels may have changed since: then the rows are read again, for their lines to be told.
  const isLabelled = kept?.documents.every(
    ({ specialty }) => specialty === null || labels?.has(specialty) !== false,
  );
  if (kept !== null && isLabelled === true) return kept;
  let bad = 0;
  const countBad = (problem: DataProblem): void => {
    bad += 1;
    request.onBadRow?.(problem);
  };
  const corpus = await encodeCorpus(
    request.onBadRow === undefined ? request : { ...request, onBadRow: countBad },
  );
  // A corpus with gaps is not kept: the next run has to ask for it again.
  if (bad === 0) await writeCorpusFile(cachePath, corpus, fingerprint);
  return corpus;
}

/** Compressed or plain, whichever is there. */
export function partPath(dataDirectory: string, part: CorpusPart, split: 'train' | 'valid'): string {
  const plain = join(dataDirectory, part, `${split}.jsonl`);
  return existsSync(plain) && !existsSync(`${plain}.gz`) ? plain : `${plain}.gz`;
}

/** Labels that rows may carry, or null where the data directory does not say. */
export async function readSpecialties(dataDirectory: string): Promise<ReadonlySet<string> | null> {
  const path = join(dataDirectory, 'specialties.json');
  return existsSync(path) ? parseSpecialties(await readFile(path, 'utf8'), path) : null;
}

async function encodeCorpus(request: CorpusRequest): Promise<EncodedCorpus> {
  const builder = createCorpusBuilder();
  const encoder = createRowEncoder(request.tokenizer, builder);
  const problems = createProblemList();
  const options = {
    check: createRowCheck(await readSpecialties(request.dataDirectory)),
    onBadRow: request.onBadRow ?? ((problem: DataProblem) => problems.add(problem)),
  };
  for (const part of request.parts) {
    const path = partPath(request.dataDirectory, part, request.split);
    if (part === 'pretrain') {
      for await (const row of readRows(path, pretrainRowSchema, options)) encoder.pretrain(row);
    } else if (part === 'sft') {
      for await (const row of readRows(path, sftRowSchema, options)) encoder.sft(row);
    } else {
      for await (const row of readRows(path, mcqRowSchema, options)) encoder.mcq(row);
    }
  }
  if (problems.count > 0) throw badData(problems, request.dataDirectory);
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
