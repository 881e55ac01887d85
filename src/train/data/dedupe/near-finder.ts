/**
 * Finds the most similar of many questions: Jaccard similarity of their sets of character 6-grams. Candidates come from an
 * inverted index, so the result is exact, without comparing every pair.
 */

export interface NearMatch {
  readonly index: number;
  /** |A ∩ B| / |A ∪ B|. */
  readonly similarity: number;
}

export interface NearFinder {
  /** The best match of at least `threshold`, or null. */
  find(text: string): NearMatch | null;
}

const GRAM = 6;

export function createNearFinder(texts: readonly string[], threshold: number): NearFinder {
  const sizes = new Uint32Array(texts.length);
  const postings = new Map<string, number[]>();
  for (const [index, text] of texts.entries()) {
    const grams = gramsOf(text);
    sizes[index] = grams.size;
    for (const gram of grams) {
      const posting = postings.get(gram);
      if (posting === undefined) postings.set(gram, [index]);
      else posting.push(index);
    }
  }
  return {
    find(text) {
      const grams = gramsOf(text);
      const shared = new Map<number, number>();
      for (const gram of grams) {
        for (const index of postings.get(gram) ?? []) shared.set(index, (shared.get(index) ?? 0) + 1);
      }
      let best: NearMatch | null = null;
      for (const [index, count] of shared) {
        const similarity = count / (grams.size + (sizes[index] ?? 0) - count);
        if (similarity >= threshold && similarity > (best?.similarity ?? 0)) best = { index, similarity };
      }
      return best;
    },
  };
}

function gramsOf(text: string): Set<string> {
  const grams = new Set<string>();
  for (let at = 0; at + GRAM <= text.length; at++) grams.add(text.slice(at, at + GRAM));
  return grams;
}
