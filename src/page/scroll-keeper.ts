/** Keeps the end of the answer in view as it grows, unless the person scrolled away to read. */

/** So close to the end counts as being there. */
const nearby = 96;

export class ScrollKeeper {
  readonly #button: HTMLButtonElement;

  constructor(toLatest: HTMLButtonElement) {
    this.#button = toLatest;
    toLatest.addEventListener('click', () => this.toLatest());
    addEventListener('scroll', () => this.#show(), { passive: true });
    addEventListener('resize', () => this.#show(), { passive: true });
  }

  toLatest(): void {
    scrollTo({ top: document.documentElement.scrollHeight });
    this.#show();
  }

  /** Runs a change of the page; where its end was in view, it still is afterwards. */
  keep(change: () => void): void {
    const follow = this.#isAtEnd();
    change();
    if (follow) this.toLatest();
    else this.#show();
  }

  /** The same for a change that calls back when it is done. */
  keepAfter(change: (done: () => void) => void): void {
    const follow = this.#isAtEnd();
    change(() => (follow ? this.toLatest() : this.#show()));
  }

  #isAtEnd(): boolean {
    const { scrollHeight } = document.documentElement;
    return scrollHeight - innerHeight - scrollY < nearby;
  }

  #show(): void {
    this.#button.hidden = this.#isAtEnd();
  }
}
