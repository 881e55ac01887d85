/**
 * Who computes the commands of a `wasm` device: threads that share its memory, or, where a platform has none to share it
 * with (a page that is not cross-origin isolated), the caller itself, which is busy meanwhile.
 */
import { InternalError } from '../../base/errors.ts';
import { CONTROL, CONTROL_WORDS, MAX_COMMANDS, MAX_STREAM } from './command-stream.ts';
import type { BankStart, ThreadStart } from './command-stream.ts';
import { openThread, type OpenThread } from './thread.ts';

export interface Thread {
  terminate(): Promise<void>;
  /** Rejects when the thread dies or never comes up; its device would wait for ever. */
  readonly failed?: Promise<never>;
}

/** How a platform starts a thread that calls `runThread` with what it is given. */
export type SpawnThread = (start: ThreadStart) => Thread;

export interface TeamOptions {
  readonly module: WebAssembly.Module;
  /** Names of the module's kernels; a command's function is an index into it. */
  readonly functions: readonly string[];
  readonly threads: number;
  /** `null`: the caller computes, as the only thread. */
  readonly spawn: SpawnThread | null;
}

export class Team {
  readonly counters: Int32Array;
  readonly stream: Float64Array;
  readonly #control: Int32Array;
  readonly #options: TeamOptions;
  #threads: Thread[] = [];
  #self: OpenThread | null = null;
  /** Banks that the team was started with. */
  #banks = 0;
  #sequence = 0;
  #death: unknown;
  #onDeath: (error: unknown) => void = () => {};

  constructor(options: TeamOptions) {
    this.#options = options;
    const memory = (bytes: number): ArrayBufferLike =>
      options.spawn ? new SharedArrayBuffer(bytes) : new ArrayBuffer(bytes);
    this.#control = new Int32Array(memory(CONTROL_WORDS * 4));
    this.counters = new Int32Array(memory(MAX_COMMANDS * 4));
    this.stream = new Float64Array(memory(MAX_STREAM * 8));
  }

  /** Runs what lies in `stream`; `banks` are all that exist. */
  async run(commands: number, banks: readonly BankStart[]): Promise<void> {
    await this.#ready(banks);
    const control = this.#control;
    this.counters.fill(0, 0, commands);
    Atomics.store(control, CONTROL.commands, commands);
    Atomics.store(control, CONTROL.failed, 0);
    if (this.#self) this.#self.run();
    else {
      const before = this.#sequence++;
      Atomics.store(control, CONTROL.sequence, this.#sequence);
      Atomics.notify(control, CONTROL.sequence);
      await this.#unlessDead(untilChanged(control, CONTROL.done, before));
    }
    if (Atomics.load(control, CONTROL.failed) !== 0) {
      throw new InternalError('kernel_failed', 'a kernel trapped; its inputs are out of range');
    }
  }

  async stop(): Promise<void> {
    Atomics.store(this.#control, CONTROL.stop, 1);
    Atomics.add(this.#control, CONTROL.sequence, 1);
    Atomics.notify(this.#control, CONTROL.sequence);
    await Promise.all(this.#threads.map((thread) => thread.terminate()));
    this.#threads = [];
    this.#self = null;
  }

  /** Threads know the banks they were started with; a new bank, which is rare, starts them anew. */
  async #ready(banks: readonly BankStart[]): Promise<void> {
    if (this.#banks === banks.length) return;
    await this.stop();
    this.#control.fill(0);
    this.#sequence = 0;
    this.#banks = banks.length;
    const { module, functions, threads, spawn } = this.#options;
    const buffers = {
      control: this.#control.buffer,
      counters: this.counters.buffer,
      stream: this.stream.buffer,
    };
    const start = (thread: number): ThreadStart => ({
      module,
      functions,
      thread,
      threads,
      ...buffers,
      banks,
    });
    if (spawn)
      this.#threads = Array.from({ length: threads }, (_, thread) => this.#watch(spawn(start(thread))));
    else this.#self = openThread(start(0));
  }

  /** Threads that died would leave the caller waiting. Not `Promise.race`: it would hold on to every submission. */
  async #unlessDead(done: Promise<void>): Promise<void> {
    if (this.#death !== undefined) throw this.#death;
    await new Promise<void>((resolve, reject) => {
      this.#onDeath = reject;
      done.then(resolve, reject);
    });
  }

  #watch(thread: Thread): Thread {
    thread.failed?.catch((error: unknown) => {
      this.#death = error;
      this.#onDeath(error);
    });
    return thread;
  }
}

/**
 * Resolves when the word is no longer `old`, without blocking the event loop for more than a moment. Being woken is no
 * proof: a thread that was interrupted between its store and its notify wakes whoever waits for the next store.
 */
async function untilChanged(words: Int32Array, index: number, old: number): Promise<void> {
  while (hasWaitAsync(Atomics)) {
    const wait = Atomics.waitAsync(words, index, old);
    if (!wait.async) return;
    await wait.value;
  }
  // Firefox before 145. Only a Worker may block, and only for so long, since threads start through its event loop.
  while (Atomics.wait(words, index, old, 2) === 'timed-out') {
    await new Promise((resolve) => setTimeout(resolve));
  }
}

function hasWaitAsync(atomics: object): boolean {
  return 'waitAsync' in atomics;
}
