/**
 * The byte-level alphabet of GPT-2 and Qwen: every byte has a printable character, so that a vocabulary of byte strings
 * can be written as JSON text without escapes or spaces.
 */

/** Characters of bytes 0..255, in byte order. */
export const BYTE_CHARACTERS: readonly string[] = makeByteCharacters();

/** Bytes in the order of their token ids: by the code point of their character, as Hugging Face's trainer orders them. */
export const BYTES_BY_ID: readonly number[] = Array.from({ length: 256 }, (_, byte) => byte).sort(
  (left, right) => codePoint(left) - codePoint(right),
);

function makeByteCharacters(): string[] {
  const printable = (byte: number): boolean =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);
  let shifted = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(printable(byte) ? byte : shifted++));
}

function codePoint(byte: number): number {
  return BYTE_CHARACTERS[byte]?.codePointAt(0) ?? 0;
}

/** The vocabulary spelling of a byte string. */
export function spellBytes(bytes: Uint8Array): string {
  let spelled = '';
  for (const byte of bytes) spelled += BYTE_CHARACTERS[byte] ?? '';
  return spelled;
}
