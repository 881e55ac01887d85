/** One question and its answer on the page. `update` shows a changed state; `showText` alone runs while text streams in. */
import { isRunning, type Turn } from './conversation.ts';
import { button, el, present } from './dom.ts';
import { failureView, type FailureActions } from './failure-view.ts';
import { chips, routeLine } from './route-view.ts';
import type { Strings } from './strings.ts';

export interface TurnActions extends FailureActions {
  readonly again: () => void;
}

export class TurnView {
  readonly element: HTMLElement;
  readonly #turn: Turn;
  readonly #actions: TurnActions;
  readonly #text = document.createTextNode('');
  readonly #answer = el('div', { class: 'answer-text', lang: 'zh-CN' }, this.#text);
  readonly #heading = el('h3', { class: 'hidden' });
  readonly #questionHeading = el('h2', { class: 'hidden' });
  readonly #above = el('div', { class: 'above' });
  readonly #below = el('div', { class: 'below' });
  #frameAsked = false;

  constructor(turn: Turn, actions: TurnActions) {
    this.#turn = turn;
    this.#actions = actions;
    this.element = el(
      'article',
      { class: 'turn' },
      this.#questionHeading,
      el('p', { class: 'question', lang: 'zh-CN' }, turn.question),
      el('div', { class: 'answer' }, this.#heading, this.#above, this.#answer, this.#below),
    );
  }

  /** `isLast`: only the last answer can be asked for again. */
  update(strings: Strings, isLast: boolean): void {
    const turn = this.#turn;
    const running = isRunning(turn);
    this.element.dataset['status'] = turn.status;
    this.#questionHeading.textContent = strings.you;
    this.#heading.textContent = strings.doctor;
    this.#answer.hidden = turn.answer === '';
    this.#answer.classList.toggle('streaming', turn.status === 'answering');
    const chipList = chips(turn, strings);
    const shown = this.#above.querySelectorAll('.chip').length;
    this.#above.replaceChildren(
      ...present([chipList, running && turn.answer === '' && this.#progress(strings)]),
    );
    // They slide in once, not again with every change of state.
    if (shown > 0) chipList?.classList.add('settled');
    const open = this.#below.querySelector('details')?.open ?? false;
    const route = running ? null : routeLine(turn, strings, open);
    this.#below.replaceChildren(
      ...present([
        this.#note(strings, isLast),
        turn.failure && isLast && failureView(turn.failure, strings, this.#actions),
        !running && el('div', { class: 'foot' }, route, this.#tools(strings, isLast)),
      ]),
    );
    this.#writeText();
  }

  /** At most once a frame, however fast the tokens come. */
  showText(afterwards: () => void): void {
    if (this.#frameAsked) return;
    this.#frameAsked = true;
    requestAnimationFrame(() => {
      this.#frameAsked = false;
      this.#writeText();
      afterwards();
    });
  }

  #writeText(): void {
    const { answer } = this.#turn;
    const shown = this.#text.data;
    if (answer.startsWith(shown)) this.#text.appendData(answer.slice(shown.length));
    else this.#text.data = answer;
  }

  #progress(strings: Strings): HTMLElement {
    const { status, place } = this.#turn;
    const isHere = place === 'device';
    const text =
      status === 'routing'
        ? isHere
          ? strings.devicePreparing
          : strings.routing
        : status === 'waiting' && !isHere
          ? strings.waiting
          : strings.thinking;
    return el('p', { class: 'progress' }, el('span', { class: 'pulse', 'aria-hidden': 'true' }), text);
  }

  #note(strings: Strings, isLast: boolean): HTMLElement | null {
    const { status, finish, answer, failure } = this.#turn;
    if (failure && !isLast) return el('p', { class: 'note' }, strings.failures[failure.kind]);
    if (status === 'stopped') return el('p', { class: 'note' }, strings.stopped);
    if (status !== 'done') return null;
    if (answer.trim() === '') return el('p', { class: 'note' }, strings.empty);
    return finish === 'length' ? el('p', { class: 'note' }, strings.cutOff) : null;
  }

  #tools(strings: Strings, isLast: boolean): HTMLElement {
    const { answer, failure } = this.#turn;
    const copy = button('tool small', strings.copy, () => {
      void copyText(this.#turn.answer, () => {
        copy.textContent = strings.copied;
      });
    });
    // Without a secure origin there is no clipboard to write to.
    const canCopy = answer !== '' && window.isSecureContext;
    return el(
      'div',
      { class: 'foot-tools' },
      canCopy && copy,
      isLast && !failure && button('tool small', strings.again, this.#actions.again),
    );
  }
}

/** A browser that refuses needs no message: the text can be selected. */
async function copyText(text: string, onCopied: () => void): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    onCopied();
  } catch {
    // Refused.
  }
}
