/** Asks for the access key. */
import { byId } from './dom.ts';
import type { KeyStore } from './key-store.ts';
import type { Strings } from './strings.ts';

export class KeyDialog {
  readonly #dialog = byId('key-dialog', HTMLDialogElement);
  readonly #input = byId('key', HTMLInputElement);
  readonly #remember = byId('key-remember', HTMLInputElement);
  readonly #problem = byId('key-problem', HTMLElement);
  readonly #store: KeyStore;

  constructor(store: KeyStore, strings: () => Strings, onSaved: () => void) {
    this.#store = store;
    byId('key-cancel', HTMLButtonElement).addEventListener('click', () => this.#dialog.close());
    byId('key-form', HTMLFormElement).addEventListener('submit', (event) => {
      event.preventDefault();
      if (!store.set(this.#input.value, this.#remember.checked)) {
        this.#problem.textContent = strings().keyInvalid;
        this.#input.focus();
        return;
      }
      this.#dialog.close();
      onSaved();
    });
  }

  open(): void {
    if (this.#dialog.open) return;
    this.#problem.textContent = '';
    this.#input.value = '';
    this.#remember.checked = this.#store.isRemembered;
    this.#dialog.showModal();
  }
}
