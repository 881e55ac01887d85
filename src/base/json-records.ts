/**
 * The records of a JSON Lines text, or of a JSON array, each as its own piece of text with the line it begins on: so that
 * one broken record is told by its line and costs no other.
 */

export interface TextRecord {
  /** From 1. */
  readonly line: number;
  readonly text: string;
}

export function splitJsonRecords(text: string): TextRecord[] {
  return text.trimStart().startsWith('[') ? splitArray(text) : splitLines(text);
}

export type ParsedRecord =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly reason: string };

/** The parser's own message quotes the record, which may be a person's words: it is not passed on. */
export function parseRecord(text: string): ParsedRecord {
  try {
    return { ok: true, value: JSON.parse(text) };
  } catch {
    return { ok: false, reason: 'not valid JSON' };
  }
}

function splitLines(text: string): TextRecord[] {
  const records: TextRecord[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() !== '') records.push({ line: index + 1, text: line });
  }
  return records;
}

/** Elements of the outermost array. Brackets within strings do not count. */
function splitArray(text: string): TextRecord[] {
  const records: TextRecord[] = [];
  let [line, depth, start, startLine] = [1, 0, -1, 1];
  let isInString = false;
  const finish = (end: number): void => {
    if (start >= 0) records.push({ line: startLine, text: text.slice(start, end) });
    start = -1;
  };
  for (let at = 0; at < text.length; at++) {
    const character = text.charAt(at);
    if (character === '\n') line += 1;
    if (isInString) {
      if (character === '\\') at += 1;
      else if (character === '"') isInString = false;
      continue;
    }
    if (character === '[' || character === '{') depth += 1;
    const isOpeningArray = depth === 1 && character === '[' && start < 0;
    if (depth >= 1 && start < 0 && !isOpeningArray && !/[\s,\]]/u.test(character)) {
      [start, startLine] = [at, line];
    }
    if (character === '"') isInString = true;
    else if (character === ']' || character === '}') {
      depth -= 1;
      if (depth === 0) finish(at);
    } else if (character === ',' && depth === 1) finish(at);
  }
  finish(text.length);
  return records;
}
