/**
 * Keeps an encoded corpus on disk, since tokenising takes minutes: magic, header length, JSON header, token ids, answer
 * marks. The header names what it was made from; a file made from anything else, or damaged, is simply made anew.
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import * as z from 'zod';
import { invariant } from '../../base/invariant.ts';
import type { EncodedCorpus } from './corpus.ts';

const MAGIC = 'SDCORP01';
const PREFIX_BYTES = 16;
const ALIGNMENT = 4;

const headerSchema = z.object({
  fingerprint: z.string(),
  sha256: z.string(),
  tokens: z.int().min(0),
  documents: z.array(
    z.object({
      id: z.string(),
      part: z.enum(['pretrain', 'sft', 'mcq']),
      source: z.string(),
      specialty: z.string().nullable(),
      characters: z.int().min(0),
      start: z.int().min(0),
      end: z.int().min(0),
      turns: z.array(z.int().min(0)).nullable(),
    }),
  ),
});

export async function writeCorpusFile(
  path: string,
  corpus: EncodedCorpus,
  fingerprint: string,
): Promise<void> {
  const tokens = Buffer.from(corpus.tokens.buffer, corpus.tokens.byteOffset, corpus.tokens.byteLength);
  const sha256 = createHash('sha256').update(tokens).update(corpus.answers).digest('hex');
  const { documents } = corpus;
  const header = Buffer.from(
    JSON.stringify({ fingerprint, sha256, tokens: corpus.tokens.length, documents }),
  );
  const padded = Buffer.alloc(Math.ceil(header.length / ALIGNMENT) * ALIGNMENT, ' ');
  header.copy(padded);
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.write(MAGIC, 'latin1');
  prefix.writeUInt32LE(padded.length, 8);
  await mkdir(dirname(path), { recursive: true });
  // Renamed into place, so that a reader never sees half a file.
  const draft = `${path}.${process.pid}.draft`;
  await writeFile(draft, Buffer.concat([prefix, padded, tokens, corpus.answers]));
  await rename(draft, path);
}

/** The corpus in the file, or null when there is none that was made from `fingerprint` and is whole. */
export async function readCorpusFile(path: string, fingerprint: string): Promise<EncodedCorpus | null> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch {
    return null;
  }
  if (bytes.length < PREFIX_BYTES || bytes.toString('latin1', 0, MAGIC.length) !== MAGIC) return null;
  const body = PREFIX_BYTES + bytes.readUInt32LE(8);
  if (body > bytes.length) return null;
  const header = parseHeader(bytes.toString('utf8', PREFIX_BYTES, body));
  if (header === null || header.fingerprint !== fingerprint) return null;
  const answersAt = body + header.tokens * Uint32Array.BYTES_PER_ELEMENT;
  if (bytes.length !== answersAt + header.tokens) return null;
  if (createHash('sha256').update(bytes.subarray(body)).digest('hex') !== header.sha256) return null;
  const tokens = new Uint32Array(header.tokens);
  new Uint8Array(tokens.buffer).set(bytes.subarray(body, answersAt));
  const answers = new Uint8Array(bytes.subarray(answersAt));
  const inside = header.documents.every(({ start, end }) => start <= end && end <= header.tokens);
  invariant(inside, 'a corpus file of ours names tokens beyond its end');
  return { tokens, answers, documents: header.documents };
}

function parseHeader(text: string): z.output<typeof headerSchema> | null {
  try {
    return headerSchema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}
