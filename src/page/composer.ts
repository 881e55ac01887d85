/** The question box: Enter sends, Shift+Enter breaks the line, and an input method's Enter only picks its word. */
import { questionCharacters } from './conversation.ts';
import { byId, el } from './dom.ts';
import { specialtyName, type Strings } from './strings.ts';
import { baseModel, pinnedSpecialty, routedModel } from './wire.ts';

export interface ComposerActions {
  ask(question: string): void;
  stop(): void;
}

export class Composer {
  readonly #form = byId('composer', HTMLFormElement);
  readonly #text = byId('question', HTMLTextAreaElement);
  readonly #send = byId('send', HTMLButtonElement);
  readonly #stop = byId('stop', HTMLButtonElement);
  readonly #model = byId('model', HTMLSelectElement);
  readonly #actions: ComposerActions;
  #models: readonly string[] = [routedModel, baseModel];
  #running = false;

  constructor(actions: ComposerActions) {
    this.#actions = actions;
    this.#text.maxLength = questionCharacters;
    this.#text.addEventListener('input', () => this.#refresh());
    this.#text.addEventListener('keydown', (event) => this.#onKey(event));
    this.#stop.addEventListener('click', () => actions.stop());
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
  }

  get model(): string {
    return this.#model.value || routedModel;
  }

  set model(name: string) {
    this.#model.value = name;
  }

  get draft(): string {
    return this.#text.value;
  }

  set draft(text: string) {
    this.#text.value = text;
    this.#refresh();
  }

  focus(): void {
    this.#text.focus();
  }

  /** While an answer runs the next question can be typed, but not sent. */
  set running(running: boolean) {
    const hadFocus = document.activeElement === this.#send || document.activeElement === this.#stop;
    this.#running = running;
    this.#send.hidden = running;
    this.#stop.hidden = !running;
    if (hadFocus) (running ? this.#stop : this.#text).focus();
    this.#refresh();
  }

  showModels(models: readonly string[], strings: Strings): void {
    const chosen = this.model;
    this.#models = models;
    const pinned = models.flatMap((name) => {
      const specialty = pinnedSpecialty(name);
      return specialty === null ? [] : [option(name, specialtyName(strings, specialty))];
    });
    this.#model.replaceChildren(
      option(routedModel, strings.modelRouted),
      option(baseModel, strings.modelBase),
    );
    if (pinned.length > 0) this.#model.append(el('optgroup', { label: strings.modelPinned }, ...pinned));
    this.#model.value = models.includes(chosen) ? chosen : routedModel;
  }

  relabel(strings: Strings): void {
    this.showModels(this.#models, strings);
  }

  #onKey(event: KeyboardEvent): void {
    if (event.key === 'Escape' && this.#running) this.#actions.stop();
    if (event.key !== 'Enter' || event.shiftKey) return;
    // Safari reports the Enter that ends a composition as a key of its own, with this code and isComposing false.
    const imeProcessKey = 229;
    // oxlint-disable-next-line typescript/no-deprecated -- nothing else tells that Enter apart
    if (event.isComposing || event.keyCode === imeProcessKey) return;
    event.preventDefault();
    this.#submit();
  }

  #submit(): void {
    const question = this.#text.value.trim();
    if (question === '' || this.#running) return;
    this.#actions.ask(question);
  }

  #refresh(): void {
    this.#send.disabled = this.#text.value.trim() === '';
    // Browsers with field-sizing grow the box themselves.
    if (CSS.supports('field-sizing', 'content')) return;
    this.#text.style.height = 'auto';
    this.#text.style.height = `${this.#text.scrollHeight}px`;
  }
}

function option(name: string, label: string): HTMLElement {
  return el('option', { value: name }, label);
}
