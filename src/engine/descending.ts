/** Indexes of an array, largest value first and ties by lower index, found only as far as they are read (a heap). */

export function* descending(values: Float32Array | Float64Array): Generator<number, void, void> {
  const heap = Uint32Array.from(values, (_, index) => index);
  let size = heap.length;
  const before = (a: number, b: number): boolean => {
    const first = values[a]!;
    const second = values[b]!;
    return first > second || (first === second && a < b);
  };
  const sink = (from: number): void => {
    const item = heap[from]!;
    let at = from;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= size) break;
      if (child + 1 < size && before(heap[child + 1]!, heap[child]!)) child += 1;
      if (!before(heap[child]!, item)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = item;
  };
  for (let at = (size >>> 1) - 1; at >= 0; at--) sink(at);
  while (size > 0) {
    yield heap[0]!;
    size -= 1;
    heap[0] = heap[size]!;
    sink(0);
  }
}
