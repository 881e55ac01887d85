/** The form in which questions are compared: width, case, spaces and punctuation make no difference. */
import { createHash } from 'node:crypto';

/** NFKC, lower case, letters (Han included) and digits alone. */
export function normaliseQuestion(text: string): string {
  return text
    .normalize('NFKC')
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}]/gu, '');
}

/** SHA-256, base64. */
export function hashText(text: string): string {
  return createHash('sha256').update(text).digest('base64');
}

/** A number in [0, 1) that depends on the text alone: for splits and samples that anyone can repeat. */
export function hashShare(text: string): number {
  return createHash('sha256').update(text).digest().readUInt32BE(0) / 2 ** 32;
}
