/**
 * Speaks to screen readers. The answer is announced by the sentence, not by the token: a region that changes twenty times
 * a second is read as noise or not at all.
 */
const sentenceEnd = /^[\s\S]*[。！？；\n.!?]/;

export class Announcer {
  readonly #region: HTMLElement;
  #pending = '';

  constructor(region: HTMLElement) {
    this.#region = region;
  }

  say(text: string): void {
    this.#region.textContent = text;
  }

  /** A piece of the answer. */
  feed(text: string): void {
    this.#pending += text;
    const sentences = sentenceEnd.exec(this.#pending)?.[0];
    if (sentences === undefined) return;
    this.#pending = this.#pending.slice(sentences.length);
    if (sentences.trim() !== '') this.say(sentences.trim());
  }

  /** Says what is left of the answer, then `closing`. */
  finish(closing: string): void {
    this.say(`${this.#pending.trim()} ${closing}`.trim());
    this.#pending = '';
  }
}
