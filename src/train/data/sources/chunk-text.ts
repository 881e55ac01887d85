/** Cuts a text into rows of bounded length, at the ends of paragraphs or, where one is too long, of sentences. */

const MAX_CHUNK = 2600;

export function chunkText(text: string, limit = MAX_CHUNK): string[] {
  const chunks: string[] = [];
  let held = '';
  const push = (piece: string, separator: string): void => {
    if (held !== '' && held.length + separator.length + piece.length > limit) {
      chunks.push(held);
      held = '';
    }
    held = held === '' ? piece : `${held}${separator}${piece}`;
  };
  for (const paragraph of text.split(/\n+/u)) {
    const trimmed = paragraph.trim();
    if (trimmed === '') continue;
    if (trimmed.length <= limit) push(trimmed, '\n');
    else
      for (const [at, sentence] of sentences(trimmed, limit).entries()) push(sentence, at === 0 ? '\n' : '');
  }
  if (held !== '') chunks.push(held);
  return chunks;
}

/** A sentence longer than the limit is cut hard. */
function sentences(paragraph: string, limit: number): string[] {
  const found = paragraph.match(/[^。！？；]+[。！？；]*/gu) ?? [paragraph];
  return found.flatMap((sentence) => {
    const pieces: string[] = [];
    for (let at = 0; at < sentence.length; at += limit) pieces.push(sentence.slice(at, at + limit));
    return pieces;
  });
}
