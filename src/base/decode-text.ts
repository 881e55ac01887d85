/**
 * Bytes of a Chinese text file to text, whichever of its usual encodings they are in: UTF-8, UTF-16 with a byte order
 * mark, or GB18030 (which contains GBK and GB2312). CMB, CMExam and most older collections circulate in several.
 */

export interface DecodedText {
  readonly text: string;
  readonly encoding: 'utf-8' | 'utf-16le' | 'utf-16be' | 'gb18030';
  /** Some bytes were of no encoding: they stand as U+FFFD in the text, for the rows that have them to be reported. */
  readonly damaged: boolean;
}

export const REPLACEMENT_CHARACTER = '\ufffd';

/** Valid UTF-8 is UTF-8: a GB18030 text of some length is practically never valid UTF-8 by chance. */
export function decodeText(bytes: Uint8Array): DecodedText {
  const marked = markedEncoding(bytes);
  if (marked !== null) return decodeAs(bytes, marked);
  const utf8 = decodeAs(bytes, 'utf-8');
  if (!utf8.damaged) return utf8;
  const gb18030 = decodeAs(bytes, 'gb18030');
  return isRatherGb18030(utf8.text, gb18030.text) ? gb18030 : utf8;
}

function markedEncoding(bytes: Uint8Array): DecodedText['encoding'] | null {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le';
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'utf-16be';
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) return 'utf-8';
  return null;
}

/** The byte order mark, if there is one, is not part of the text. */
function decodeAs(bytes: Uint8Array, encoding: DecodedText['encoding']): DecodedText {
  try {
    return { text: new TextDecoder(encoding, { fatal: true }).decode(bytes), encoding, damaged: false };
  } catch {
    return { text: new TextDecoder(encoding).decode(bytes), encoding, damaged: true };
  }
}

/**
 * A UTF-8 file with a few broken bytes must not be taken for GB18030, which reads nearly anything as some characters: of
 * such a file most characters are right, of real GB18030 read as UTF-8 most are replaced.
 */
function isRatherGb18030(asUtf8: string, asGb18030: string): boolean {
  const broken = countOf(asUtf8, /\ufffd/gu);
  const right = countOf(asUtf8, /[\u3000-\u30ff\u4e00-\u9fff\uff00-\uffef]/gu);
  return broken > right && countOf(asGb18030, /\ufffd/gu) < broken;
}

function countOf(text: string, pattern: RegExp): number {
  let count = 0;
  for (const _ of text.matchAll(pattern)) count += 1;
  return count;
}
