/**
 * The byte-level alphabet of GPT-2 and Qwen: every byte has a printable character, so that a vocabulary of byte strings
 * can be written as JSON text without escapes or spaces.
 */

/** Characters of bytes 0..255, in byte order. */
export const BYTE_CHARACTERS: readonly string[] = makeByteCharacters();

const BYTE_OF_CHARACTER: ReadonlyMap<string, number> = new Map(
  BYTE_CHARACTERS.map((character, byte) => [character, byte]),
);

/** Bytes in the order of their token ids: by the code point of their character, as Hugging Face's trainer orders them. */
export const BYTES_BY_ID: readonly number[] = Array.from({ length: 256 }, (_, byte) => byte).sort(
  (left, right) => codePoint(left) - codePoint(right),
);

/** Bytes of a token as the vocabulary spells it; null when a character is not of the alphabet. */
export function readSpelling(spelled: string): Uint8Array | null {
  const bytes: number[] = [];
  for (const character of spelled) {
    const byte = BYTE_OF_CHARACTER.get(character);
    if (byte === undefined) return null;
    bytes.push(byte);
  }
  return Uint8Array.from(bytes);
}

/** The vocabulary spelling of a byte string. */
export function spellBytes(bytes: Uint8Array): string {
  let spelled = '';
  for (const byte of bytes) spelled += BYTE_CHARACTERS[byte] ?? '';
  return spelled;
}

function makeByteCharacters(): string[] {
  let shifted = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(isPrintable(byte) ? byte : shifted++));
}

function isPrintable(byte: number): boolean {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);
}

function codePoint(byte: number): number {
  return BYTE_CHARACTERS[byte]?.codePointAt(0) ?? 0;
}
