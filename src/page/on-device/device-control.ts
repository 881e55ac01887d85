/** "Answer on this device": the pill beside the question box, and the dialog that downloads, shows and removes the model. */
import { byId, button } from '../dom.ts';
import { sampling } from '../sampling.ts';
import type { Strings } from '../strings.ts';
import { DeviceResponder, type DeviceState } from './device-responder.ts';
import { pillText, showProgress, stateParts } from './device-view.ts';
import { deviceChoices, type ProblemCode, type ReadyState } from './messages.ts';

export interface DeviceActions {
  readonly readKey: () => string | null;
  readonly enterKey: () => void;
  /** The switch was moved, or what the device can answer has changed. */
  readonly onChange: () => void;
}

const storageName = 'sparsedoctor.onDevice';

export class DeviceControl {
  readonly responder: DeviceResponder;
  readonly #pill = byId('on-device', HTMLButtonElement);
  readonly #dialog = byId('device-dialog', HTMLDialogElement);
  readonly #switch = byId('device-switch', HTMLInputElement);
  readonly #body = byId('device-body', HTMLElement);
  readonly #removal = byId('device-remove', HTMLButtonElement);
  readonly #actions: DeviceActions;
  #strings: Strings;
  #shown = '';

  constructor(strings: Strings, actions: DeviceActions) {
    this.#strings = strings;
    this.#actions = actions;
    const script = this.#pill.dataset['script'] ?? '';
    const wishes = new URLSearchParams(location.search);
    this.responder = new DeviceResponder({
      script,
      choice: deviceChoices.find((one) => one === wishes.get('device')) ?? 'auto',
      // For comparisons with a host, which must be asked in the same way.
      sampling: wishes.get('sampling') === 'greedy' ? { ...sampling, temperature: 0 } : sampling,
      readKey: actions.readKey,
      onState: () => this.#show(),
    });
    // A page that was built without a model does not offer it.
    this.#pill.hidden = script === '';
    this.#pill.addEventListener('click', () => this.#open());
    this.#switch.addEventListener('change', () => this.#turn(this.#switch.checked));
    this.#removal.addEventListener('click', () => void this.#remove());
    byId('device-close', HTMLButtonElement).addEventListener('click', () => this.#dialog.close());
  }

  /** Questions go to this device, even while it is not ready yet. */
  get isOn(): boolean {
    return this.#switch.checked;
  }

  get ready(): ReadyState | null {
    const { state } = this.responder;
    return state.kind === 'ready' ? state.state : null;
  }

  keySaved(): void {
    const { state } = this.responder;
    if (this.isOn && state.kind === 'failed' && state.code === 'key') this.responder.open();
  }

  /** As it was left the last time; the model is on the disk then. */
  restore(): void {
    if (this.#pill.hidden || read() !== 'on') return;
    this.#switch.checked = true;
    this.responder.open();
  }

  relabel(strings: Strings): void {
    this.#strings = strings;
    this.#show();
  }

  #open(): void {
    this.#dialog.showModal();
    const { kind } = this.responder.state;
    // With the switch on, the dialog says what failed and how to go on.
    if (kind === 'off' || (kind === 'failed' && !this.isOn)) this.responder.plan();
  }

  #turn(on: boolean): void {
    write(on ? 'on' : null);
    if (on) this.responder.open();
    else this.responder.close();
    if (!on) this.responder.plan();
    this.#actions.onChange();
  }

  async #remove(): Promise<void> {
    this.#switch.checked = false;
    write(null);
    await this.responder.remove().catch(() => undefined);
    this.#actions.onChange();
    this.#dialog.close();
  }

  #show(): void {
    const { state } = this.responder;
    const strings = this.#strings;
    const { isOn } = this;
    this.#pill.setAttribute('aria-pressed', String(isOn));
    this.#pill.dataset['state'] = isOn ? state.kind : 'off';
    byId('on-device-text', HTMLElement).textContent = pillText(isOn ? state : { kind: 'off' }, strings);
    byId('fineprint', HTMLElement).textContent =
      isOn && state.kind === 'ready' ? strings.devicePrivate : strings.fineprint;
    const needsKey = this.#actions.readKey() === null;
    this.#switch.disabled = !isOn && (state.kind === 'planning' || (state.kind === 'failed' && needsKey));
    this.#removal.hidden = !(
      state.kind === 'ready' ||
      (state.kind === 'planned' && state.missing < state.total)
    );
    this.#showBody(state);
    if (state.kind !== this.#shown) {
      this.#shown = state.kind;
      this.#actions.onChange();
    }
  }

  /** While bytes arrive only bar and numbers change: a button that is made anew cannot be pressed. */
  #showBody(state: DeviceState): void {
    if (state.kind === 'loading' && showProgress(this.#body, state, this.#strings)) return;
    this.#body.replaceChildren(...stateParts(state, this.#strings, (code) => this.#wayOut(code)));
  }

  #wayOut(code: ProblemCode): HTMLElement {
    const { enterKey } = this.#actions;
    if (code === 'key') {
      return button('button', this.#strings.enterKey, () => {
        this.#dialog.close();
        enterKey();
      });
    }
    const text = code === 'interrupted' ? this.#strings.deviceResume : this.#strings.retry;
    return button('button', text, () => (this.isOn ? this.responder.open() : this.responder.plan()));
  }
}

function read(): string | null {
  try {
    return localStorage.getItem(storageName);
  } catch {
    return null;
  }
}

function write(value: 'on' | null): void {
  try {
    if (value === null) localStorage.removeItem(storageName);
    else localStorage.setItem(storageName, value);
  } catch {
    // Storage is off: the choice lasts as long as the page.
  }
}
