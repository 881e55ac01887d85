/** The chat page: ties the parts together and takes a question from the box to its answer. */
import { Announcer } from './announcer.ts';
import { Composer } from './composer.ts';
import { Conversation, newTurn, restart, type Turn } from './conversation.ts';
import { byId, el } from './dom.ts';
import { EdgeResponder } from './edge-responder.ts';
import { KeyDialog } from './key-dialog.ts';
import { KeyStore } from './key-store.ts';
import { DeviceControl } from './on-device/device-control.ts';
import { translate } from './translate.ts';
import { ResponderError, type Responder, type ResponderEvent } from './responder.ts';
import { ScrollKeeper } from './scroll-keeper.ts';
import { initialLanguage, rememberLanguage, stringsOf, type Strings } from './strings.ts';
import { trustOwnScripts } from './trusted-scripts.ts';
import { TurnView } from './turn-view.ts';
import { exampleCards } from './welcome.ts';
import { routedModel } from './wire.ts';

class Page {
  readonly #keys = new KeyStore();
  readonly #edge = new EdgeResponder(() => this.#keys.key);
  readonly #conversation = new Conversation();
  readonly #views = new Map<Turn, TurnView>();
  readonly #transcript = byId('transcript', HTMLElement);
  readonly #welcome = byId('welcome', HTMLElement);
  readonly #needKey = byId('need-key', HTMLElement);
  readonly #newChat = byId('new-chat', HTMLButtonElement);
  readonly #announcer = new Announcer(byId('announcer', HTMLElement));
  readonly #scroll = new ScrollKeeper(byId('to-latest', HTMLButtonElement));
  readonly #composer = new Composer({ ask: (question) => this.#ask(question), stop: () => this.#stop() });
  readonly #keyDialog = new KeyDialog(
    this.#keys,
    () => this.#strings,
    () => this.#keySaved(),
  );
  #language = initialLanguage();
  #strings: Strings = stringsOf(this.#language);
  readonly #device = new DeviceControl(this.#strings, {
    readKey: () => this.#keys.key,
    enterKey: () => this.#keyDialog.open(),
    onChange: () => void this.#loadModels(),
  });
  /** Of the answer that runs. */
  #abort: AbortController | null = null;

  start(): void {
    this.#keys.takeFromAddress();
    addEventListener('hashchange', () => this.#keys.takeFromAddress() && this.#keySaved());
    const about = byId('about-dialog', HTMLDialogElement);
    byId('open-about', HTMLButtonElement).addEventListener('click', () => about.showModal());
    byId('open-key', HTMLButtonElement).addEventListener('click', () => this.#keyDialog.open());
    byId('need-key-open', HTMLButtonElement).addEventListener('click', () => this.#keyDialog.open());
    byId('language', HTMLButtonElement).addEventListener('click', () => this.#switchLanguage());
    this.#newChat.addEventListener('click', () => this.#clear());
    this.#relabel();
    this.#device.restore();
    void this.#loadModels();
    // On a phone this would open the keyboard over the page before anything was read.
    if (matchMedia('(hover: hover) and (pointer: fine)').matches) this.#composer.focus();
  }

  get #responder(): Responder {
    return this.#device.isOn ? this.#device.responder : this.#edge;
  }

  #ask(question: string): void {
    if (this.#keys.key === null && !this.#device.isOn) {
      this.#composer.draft = question;
      this.#keyDialog.open();
      return;
    }
    const previous = this.#conversation.last;
    const turn = newTurn(question, this.#composer.model, this.#responder.name);
    const view = new TurnView(turn, {
      retry: () => this.#askAgain(turn),
      again: () => this.#askAgain(turn),
      enterKey: () => this.#keyDialog.open(),
      useRouted: () => {
        this.#composer.model = routedModel;
        this.#askAgain(turn);
      },
    });
    for (const gone of this.#conversation.add(turn)) this.#remove(gone);
    this.#views.set(turn, view);
    this.#transcript.append(view.element);
    this.#welcome.hidden = true;
    this.#newChat.disabled = false;
    this.#composer.draft = '';
    if (previous) this.#views.get(previous)?.update(this.#strings, false);
    void this.#answer(turn, view);
  }

  #askAgain(turn: Turn): void {
    const view = this.#views.get(turn);
    if (!view || this.#abort || turn !== this.#conversation.last) return;
    restart(turn, this.#composer.model, this.#responder.name);
    void this.#answer(turn, view);
  }

  async #answer(turn: Turn, view: TurnView): Promise<void> {
    const abort = new AbortController();
    this.#abort = abort;
    this.#composer.running = true;
    view.update(this.#strings, true);
    this.#scroll.toLatest();
    this.#announcer.say(this.#strings.routing);
    try {
      await this.#stream(turn, view, abort.signal);
      turn.status = 'done';
    } catch (error) {
      turn.status = abort.signal.aborted ? 'stopped' : 'failed';
      if (!abort.signal.aborted) turn.failure = asResponderError(error);
    }
    turn.endedAt = performance.now();
    // A conversation that was cleared meanwhile has nothing left to show.
    if (this.#abort !== abort) return;
    this.#abort = null;
    this.#composer.running = false;
    this.#scroll.keep(() => view.update(this.#strings, true));
    this.#announcer.finish(this.#closing(turn));
    if (turn.failure?.kind === 'key') this.#needKey.hidden = false;
    if (turn.failure?.kind === 'model') void this.#loadModels();
  }

  /** A conversation that is too long for the model is asked once more without what came before. */
  async #stream(turn: Turn, view: TurnView, signal: AbortSignal): Promise<void> {
    const { model } = turn;
    const responder = this.#responder;
    const attempt = async (messages: ReturnType<Conversation['messagesFor']>): Promise<void> => {
      for await (const event of responder.respond({ model, messages }, signal)) {
        if (signal.aborted) throw signal.reason;
        this.#onEvent(event, turn, view);
      }
    };
    try {
      await attempt(this.#conversation.messagesFor(turn));
    } catch (error) {
      const isTooLong = error instanceof ResponderError && error.kind === 'too_long';
      if (!isTooLong || turn.historyTurns === 0 || turn.answer !== '') throw error;
      await attempt(this.#conversation.messagesFor(turn, 0));
    }
  }

  #onEvent(event: ResponderEvent, turn: Turn, view: TurnView): void {
    if (event.kind === 'end') {
      turn.finish = event.finish;
      turn.usage = event.usage;
      return;
    }
    if (event.kind === 'route') {
      turn.trace = { ...turn.trace, ...event.trace };
      if (turn.place === 'device') turn.device = this.#device.ready;
      // Until the edge has a host for it, the question waits in the queue.
      if (turn.status === 'routing') turn.status = 'waiting';
      this.#scroll.keep(() => view.update(this.#strings, true));
      return;
    }
    const isFirst = turn.answer === '';
    turn.answer += event.text;
    this.#announcer.feed(event.text);
    if (!isFirst) {
      this.#scroll.keepAfter((done) => view.showText(done));
      return;
    }
    turn.firstTextAt = performance.now();
    turn.status = 'answering';
    this.#scroll.keep(() => view.update(this.#strings, true));
  }

  #closing(turn: Turn): string {
    if (turn.failure) return this.#strings.failures[turn.failure.kind];
    return turn.status === 'stopped' ? this.#strings.stopped : this.#strings.answered;
  }

  #stop(): void {
    this.#abort?.abort();
  }

  #clear(): void {
    this.#abort?.abort();
    this.#abort = null;
    this.#conversation.clear();
    this.#views.clear();
    this.#transcript.replaceChildren();
    this.#composer.running = false;
    this.#welcome.hidden = false;
    this.#newChat.disabled = true;
    this.#scroll.toLatest();
    this.#composer.focus();
  }

  #remove(turn: Turn): void {
    this.#views.get(turn)?.element.remove();
    this.#views.delete(turn);
  }

  #keySaved(): void {
    this.#needKey.hidden = true;
    this.#device.keySaved();
    void this.#loadModels();
    const { last } = this.#conversation;
    if (last?.failure?.kind === 'key') this.#askAgain(last);
    else this.#composer.focus();
  }

  async #loadModels(): Promise<void> {
    const responder = this.#responder;
    const canAsk = this.#keys.key !== null || responder.name === 'device';
    this.#needKey.hidden = canAsk;
    if (!canAsk) return;
    try {
      const models = await responder.models();
      if (responder === this.#responder) this.#composer.showModels(models, this.#strings);
    } catch (error) {
      // Any other failure will show when a question is asked; the routed model needs no list.
      this.#needKey.hidden = !(error instanceof ResponderError && error.kind === 'key');
    }
  }

  #switchLanguage(): void {
    this.#language = this.#language === 'zh' ? 'en' : 'zh';
    rememberLanguage(this.#language);
    this.#strings = stringsOf(this.#language);
    this.#relabel();
  }

  #relabel(): void {
    const strings = this.#strings;
    translate(strings);
    this.#composer.relabel(strings);
    this.#device.relabel(strings);
    byId('about-text', HTMLElement).replaceChildren(
      ...strings.aboutParagraphs.map((text) => el('p', {}, text)),
    );
    const cards = exampleCards(strings, this.#language, (question) => {
      this.#composer.model = routedModel;
      this.#ask(question);
    });
    byId('examples', HTMLElement).replaceChildren(...cards);
    for (const [turn, view] of this.#views) view.update(strings, turn === this.#conversation.last);
  }
}

function asResponderError(error: unknown): ResponderError {
  if (error instanceof ResponderError) return error;
  // A mistake of this page, not of the server: said as a failure, and left in the console for whoever looks.
  console.error(error);
  return new ResponderError('server', '');
}

trustOwnScripts();
new Page().start();
