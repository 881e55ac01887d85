/** Finds which of many long strings occur anywhere in a text, in one pass over it: Rabin–Karp over their beginnings. */

export interface StemFinder {
  /** Index of the first stem that is found in `text`, or -1. */
  find(text: string): number;
}

const BASE = 257;

/** Stems shorter than `window` UTF-16 units are not looked for: they would be found everywhere. */
export function createStemFinder(stems: readonly string[], window: number): StemFinder {
  const byHash = new Map<number, number[]>();
  for (const [index, stem] of stems.entries()) {
    if (stem.length < window) continue;
    const hash = hashFirst(stem, window);
    const others = byHash.get(hash);
    if (others === undefined) byHash.set(hash, [index]);
    else others.push(index);
  }
  let leaving = 1;
  for (let step = 1; step < window; step++) leaving = Math.imul(leaving, BASE);
  return {
    find(text) {
      if (text.length < window || byHash.size === 0) return -1;
      let hash = hashFirst(text, window);
      for (let start = 0; ; start++) {
        for (const index of byHash.get(hash) ?? []) {
          if (text.startsWith(stems[index] ?? '', start)) return index;
        }
        if (start + window >= text.length) return -1;
        const without = hash - Math.imul(text.charCodeAt(start), leaving);
        hash = (Math.imul(without, BASE) + text.charCodeAt(start + window)) >>> 0;
      }
    },
  };
}

function hashFirst(text: string, window: number): number {
  let hash = 0;
  for (let at = 0; at < window; at++) hash = (Math.imul(hash, BASE) + text.charCodeAt(at)) >>> 0;
  return hash;
}
