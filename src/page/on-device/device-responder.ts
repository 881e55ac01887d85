/**
 * Answers in this browser: starts the engine's Worker when it is first wanted, follows its state, and asks it. A question
 * that is meant for this device waits until the engine is there, or fails; it never goes to the server instead.
 */
import { EventQueue } from '../../engine/event-queue.ts';
import {
  ResponderError,
  type FailureKind,
  type Question,
  type Responder,
  type ResponderEvent,
} from '../responder.ts';
import { baseModel, routedModel } from '../wire.ts';
import type {
  AskProblem,
  DeviceChoice,
  FromEngine,
  ProblemCode,
  ReadyState,
  Sampling,
  ToEngine,
} from './messages.ts';
import { cacheName } from './store-name.ts';

export type DeviceState =
  | { readonly kind: 'off' }
  /** Asking what there is to download. */
  | { readonly kind: 'planning' }
  | { readonly kind: 'planned'; readonly total: number; readonly missing: number }
  | { readonly kind: 'loading'; readonly received: number; readonly total: number }
  | { readonly kind: 'starting' }
  | { readonly kind: 'ready'; readonly state: ReadyState }
  | { readonly kind: 'failed'; readonly code: ProblemCode; readonly detail: string };

export interface DeviceOptions {
  /** Address of the Worker's script. */
  readonly script: string;
  readonly choice: DeviceChoice;
  readonly sampling: Sampling;
  readonly readKey: () => string | null;
  readonly onState: (state: DeviceState) => void;
}

const failures: Readonly<Record<AskProblem, FailureKind>> = {
  model: 'model',
  too_long: 'too_long',
  memory: 'device_memory',
  gpu_lost: 'gpu_lost',
  device: 'device',
};

/** What a question meets whose engine cannot be had, where there is more to say than that. */
const unopened: Readonly<Partial<Record<ProblemCode, FailureKind>>> = {
  key: 'key',
  memory: 'device_memory',
  interrupted: 'device_download',
};

export class DeviceResponder implements Responder {
  readonly name = 'device';
  readonly #options: DeviceOptions;
  readonly #running = new Map<number, EventQueue<ResponderEvent>>();
  #worker: Worker | null = null;
  #state: DeviceState = { kind: 'off' };
  #onSettled: (() => void)[] = [];
  #asked = 0;

  constructor(options: DeviceOptions) {
    this.#options = options;
  }

  get state(): DeviceState {
    return this.#state;
  }

  plan(): void {
    this.#set({ kind: 'planning' });
    this.#post({ kind: 'plan', key: this.#options.readKey() });
  }

  open(): void {
    if (this.#state.kind === 'ready' || this.#isOpening) return;
    const total = this.#state.kind === 'planned' ? this.#state.total : 0;
    this.#set({ kind: 'loading', received: 0, total });
    this.#post({ kind: 'open', key: this.#options.readKey(), device: this.#options.choice });
  }

  /** Ends the engine, or a download; what was downloaded is kept. */
  close(): void {
    this.#worker?.terminate();
    this.#worker = null;
    this.#fail(new ResponderError('device', ''));
    this.#set({ kind: 'off' });
  }

  /** The same, and gives the disk back. */
  async remove(): Promise<void> {
    this.close();
    await caches.delete(cacheName);
  }

  models(): Promise<string[]> {
    const specialties = this.#state.kind === 'ready' ? this.#state.state.specialties : [];
    return Promise.resolve([routedModel, baseModel, ...specialties.map((name) => `${routedModel}:${name}`)]);
  }

  async *respond(question: Question, signal: AbortSignal): AsyncGenerator<ResponderEvent, void, void> {
    this.open();
    while (this.#state.kind !== 'ready') {
      if (this.#state.kind === 'failed') throw new ResponderError(unopened[this.#state.code] ?? 'device', '');
      if (this.#state.kind === 'off') throw new ResponderError('device', '');
      await this.#nextState(signal);
    }
    const id = (this.#asked += 1);
    const stop = (): void => this.#post({ kind: 'stop', id });
    const queue = new EventQueue<ResponderEvent>(stop);
    this.#running.set(id, queue);
    const abort = (): void => {
      stop();
      queue.close(signal.reason);
    };
    signal.addEventListener('abort', abort, { once: true });
    try {
      const { model, messages } = question;
      this.#post({ kind: 'ask', id, model, messages, sampling: this.#options.sampling });
      yield* queue;
    } finally {
      signal.removeEventListener('abort', abort);
      this.#running.delete(id);
    }
  }

  get #isOpening(): boolean {
    return this.#state.kind === 'loading' || this.#state.kind === 'starting';
  }

  #nextState(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      this.#onSettled.push(resolve);
      signal.addEventListener('abort', () => reject(asError(signal.reason)), { once: true });
    });
  }

  #post(message: ToEngine): void {
    this.#worker ??= this.#start();
    this.#worker.postMessage(message, []);
  }

  #start(): Worker {
    const worker = new Worker(this.#options.script, { type: 'module', name: 'sparsedoctor-engine' });
    worker.addEventListener('message', ({ data }: MessageEvent<FromEngine>) => this.#onMessage(data));
    worker.addEventListener('error', (event) => {
      event.preventDefault();
      // Without a message its script could not be fetched; with one the engine itself broke.
      const code = event.message ? 'failed' : 'interrupted';
      this.#onMessage({ kind: 'failed', code, detail: event.message ?? '' });
    });
    return worker;
  }

  #onMessage(message: FromEngine): void {
    switch (message.kind) {
      case 'planned':
      case 'starting':
      case 'ready':
        return this.#set(message);
      case 'progress':
        return this.#set({ kind: 'loading', received: message.received, total: message.total });
      case 'failed':
        // What it holds may be half of something.
        this.#worker?.terminate();
        this.#worker = null;
        this.#fail(new ResponderError('device', ''));
        return this.#set(message);
      case 'error': {
        const queue = this.#running.get(message.id);
        return queue?.close(new ResponderError(failures[message.code], ''));
      }
      case 'end': {
        const { id, ...event } = message;
        const queue = this.#running.get(id);
        queue?.push(event);
        return queue?.close();
      }
      default: {
        const { id, ...event } = message;
        this.#running.get(id)?.push(event);
      }
    }
  }

  #fail(error: ResponderError): void {
    for (const queue of this.#running.values()) queue.close(error);
  }

  #set(state: DeviceState): void {
    this.#state = state;
    const waiting = this.#onSettled;
    this.#onSettled = [];
    for (const resolve of waiting) resolve();
    this.#options.onState(state);
  }
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}
