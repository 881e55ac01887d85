/**
 * The memory that the `wasm` device and its threads share: a control block of 32-bit words, one work counter a command,
 * and the commands themselves as doubles (exact for pointers, counts and f32 parameters).
 *
 * A command is [function, bank, items, grain, argument count, arguments…]; function COPY moves bytes between banks:
 * [COPY, from bank, to bank, 0, 3, from pointer, to pointer, bytes].
 */
export const CONTROL = {
  sequence: 0,
  done: 1,
  failed: 2,
  arrived: 3,
  generation: 4,
  commands: 5,
  stop: 6,
} as const;
export const CONTROL_WORDS = 16;
export const MAX_COMMANDS = 8192;
export const MAX_STREAM = 1 << 18;
export const HEADER = 5;
export const COPY = -1;

/** What a thread is given at its start (its memory is shared, unless it is the only one); banks are added by later messages. */
export interface ThreadStart {
  readonly module: WebAssembly.Module;
  readonly functions: readonly string[];
  readonly thread: number;
  readonly threads: number;
  readonly control: ArrayBufferLike;
  readonly counters: ArrayBufferLike;
  readonly stream: ArrayBufferLike;
  readonly banks: readonly BankStart[];
}

export interface BankStart {
  readonly memory: WebAssembly.Memory;
  /** Pointer of each thread's scratch. */
  readonly scratch: readonly number[];
}
