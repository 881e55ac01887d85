/**
 * Pages of the KV cache. A page is counted, so that sequences with a common prefix can share it; it returns to the free
 * list when the last holder lets go.
 */
import { invariant } from '../base/invariant.ts';

export class PageAllocator {
  readonly pages: number;
  readonly #free: number[];
  readonly #holders: Uint32Array;

  constructor(pages: number) {
    this.pages = pages;
    this.#holders = new Uint32Array(pages);
    this.#free = Array.from({ length: pages }, (_, index) => pages - 1 - index);
  }

  get free(): number {
    return this.#free.length;
  }

  /** All or nothing. */
  allocate(count: number): number[] | undefined {
    if (count > this.#free.length) return undefined;
    const taken = this.#free.splice(this.#free.length - count, count).toReversed();
    for (const page of taken) this.#holders[page] = 1;
    return taken;
  }

  /** One more holder of a page that is in use. */
  retain(page: number): void {
    invariant((this.#holders[page] ?? 0) > 0, 'a free page cannot be retained');
    this.#holders[page]! += 1;
  }

  release(page: number): void {
    invariant((this.#holders[page] ?? 0) > 0, 'a page was released twice');
    this.#holders[page]! -= 1;
    if (this.#holders[page] === 0) this.#free.push(page);
  }
}
