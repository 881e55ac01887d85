/** A max-heap of pairs by count, ties by the smaller key, so that training does not depend on insertion order. */

export interface PairHeap {
  push(key: number, count: number): void;
  pop(): { key: number; count: number } | null;
}

export function createPairHeap(): PairHeap {
  const keys: number[] = [];
  const counts: number[] = [];

  /** Whether entry i comes before entry j. */
  const before = (i: number, j: number): boolean => {
    const [left, right] = [counts[i] ?? 0, counts[j] ?? 0];
    return left === right ? (keys[i] ?? 0) < (keys[j] ?? 0) : left > right;
  };
  const swap = (i: number, j: number): void => {
    const [key, count] = [keys[i] ?? 0, counts[i] ?? 0];
    keys[i] = keys[j] ?? 0;
    counts[i] = counts[j] ?? 0;
    keys[j] = key;
    counts[j] = count;
  };

  return {
    push(key, count) {
      let at = keys.length;
      keys.push(key);
      counts.push(count);
      while (at > 0) {
        const parent = (at - 1) >> 1;
        if (!before(at, parent)) break;
        swap(at, parent);
        at = parent;
      }
    },
    pop() {
      if (keys.length === 0) return null;
      swap(0, keys.length - 1);
      const key = keys.pop() ?? 0;
      const count = counts.pop() ?? 0;
      let at = 0;
      for (;;) {
        let largest = at;
        for (const child of [2 * at + 1, 2 * at + 2])
          if (child < keys.length && before(child, largest)) largest = child;
        if (largest === at) return { key, count };
        swap(at, largest);
        at = largest;
      }
    },
  };
}
