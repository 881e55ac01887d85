/** The tokens of one sequence that penalties look at: each once, with how often it was generated. */

export class SeenTokens {
  /** [entries, 2]: token, times generated. */
  readonly #pairs: Uint32Array;
  readonly #entryOf = new Map<number, number>();

  /** `generated`: what was generated so far; `capacity`: the most tokens, prompt and answer together. */
  constructor(prompt: Uint32Array, generated: Uint32Array, capacity: number) {
    this.#pairs = new Uint32Array(2 * capacity);
    for (const token of prompt) this.#entry(token);
    for (const token of generated) this.add(token);
  }

  /** One more token was generated. */
  add(token: number): void {
    this.#pairs[2 * this.#entry(token) + 1]! += 1;
  }

  /** [entries, 2], in the order in which they were first seen. */
  get pairs(): Uint32Array {
    return this.#pairs.subarray(0, 2 * this.#entryOf.size);
  }

  #entry(token: number): number {
    const known = this.#entryOf.get(token);
    if (known !== undefined) return known;
    const entry = this.#entryOf.size;
    this.#entryOf.set(token, entry);
    this.#pairs[2 * entry] = token;
    return entry;
  }
}
