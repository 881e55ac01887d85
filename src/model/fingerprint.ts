/**
 * Names a base model by what it computes: SHA-256 over the config values that enter the forward pass and over every
 * tensor as it is stored. An expert shard carries it, since it is worth nothing on another base. How the tensors are
 * spread over files does not matter; their type does (an F16 copy of an F32 base is another base).
 */
import { sha256Hex } from '../base/sha256.ts';
import type { Checkpoint } from './checkpoint.ts';

/** WebCrypto hashes only what is in memory, and less than 2 GiB at once: longer tensors are hashed piece by piece. */
const PIECE_BYTES = 64 * 1024 * 1024;

export async function fingerprint(checkpoint: Checkpoint): Promise<string> {
  const { config } = checkpoint;
  const lines = [
    'sparsedoctor-base-1',
    JSON.stringify([
      ['hiddenSize', config.hiddenSize],
      ['layers', config.layers],
      ['heads', config.heads],
      ['keyValueHeads', config.keyValueHeads],
      ['headSize', config.headSize],
      ['intermediateSize', config.intermediateSize],
      ['vocabularySize', config.vocabularySize],
      ['rmsNormEpsilon', config.rmsNormEpsilon],
      ['ropeTheta', config.ropeTheta],
      ['tiedHead', config.tiedHead],
    ]),
  ];
  for (const name of checkpoint.names) {
    const { type, bytes } = await checkpoint.stored(name);
    lines.push(`${name} ${type} ${bytes.length} ${await hashPieces(bytes)}`);
  }
  return sha256Hex(new TextEncoder().encode(lines.join('\n')));
}

async function hashPieces(bytes: Uint8Array): Promise<string> {
  const hashes: string[] = [];
  for (let offset = 0; offset < bytes.length; offset += PIECE_BYTES) {
    hashes.push(await sha256Hex(bytes.subarray(offset, offset + PIECE_BYTES)));
  }
  return hashes.join('+');
}
