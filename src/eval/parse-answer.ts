/**
 * Reads the letters out of a generated answer. Looked for in this order: letters behind 答案, 正确选项, 选 and the like
 * (the first such place); letters at the beginning; the only letters that stand alone. An answer in which nothing is found
 * is no answer: it counts as wrong and is counted apart. (CMMLU's own script draws a letter instead.)
 */

export function parseAnswer(
  text: string,
  letters: readonly string[],
  kind: 'single' | 'multiple',
): string | null {
  const plain = text.normalize('NFKC');
  const range = `[${letters.join('')}]`;
  // Letters of a list, apart by marks or 和; not the beginning of a word such as DNA.
  const list = `(${range}(?:[\\s,、;&和及与]*${range})*)(?![A-Za-z0-9])`;
  const marked = new RegExp(
    `(?:答案|正确(?:的)?选项|故选|应选|选择|选)(?:选项)?(?:应该是|应该为|应为|应是|是|为)?(?:选项)?[\\s:(\\["“'【]*${list}`,
    'u',
  );
  const leading = new RegExp(`^[\\s:(\\["“'【]*${list}`, 'u');
  const found = marked.exec(plain)?.[1] ?? leading.exec(plain)?.[1] ?? loneLetters(plain, range);
  if (found === null) return null;
  const chosen = letters.filter((letter) => found.includes(letter));
  if (kind === 'multiple') return chosen.join('');
  // As CMB's script does: of several letters the first that is said.
  return Array.from(found).find((letter) => letters.includes(letter)) ?? null;
}

/** Letters with neither letter nor digit beside them. */
function loneLetters(text: string, range: string): string | null {
  const found = [...text.matchAll(new RegExp(`(?<![A-Za-z0-9])${range}(?![A-Za-z0-9])`, 'gu'))];
  const distinct = new Set(found.map(([letter]) => letter));
  return distinct.size === 0 ? null : [...distinct].join('');
}
