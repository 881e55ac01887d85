/**
 * One compute thread of the `wasm` device: waits for a submission, takes chunks of work items from shared counters, and
 * meets the other threads between commands. It never allocates while computing and never talks to the event loop.
 */
import { COPY, CONTROL, HEADER } from './command-stream.ts';
import type { BankStart, ThreadStart } from './command-stream.ts';

/** Spins before sleeping: long enough for a neighbour that is running, short enough when cores are shared. */
const SPINS = 2000;

type KernelFunction = (...args: number[]) => void;
interface Bank {
  readonly memory: WebAssembly.Memory;
  readonly functions: readonly KernelFunction[];
}

/** Runs until told to stop. Blocks the calling thread. */
export function runThread(start: ThreadStart): void {
  const control = new Int32Array(start.control);
  const thread = openThread(start);
  let sequence = 0;
  for (;;) {
    sequence = waitForChange(control, CONTROL.sequence, sequence);
    if (Atomics.load(control, CONTROL.stop) !== 0) return;
    thread.run();
    if (start.thread === 0) {
      Atomics.store(control, CONTROL.done, sequence);
      Atomics.notify(control, CONTROL.done);
    }
  }
}

export interface OpenThread {
  /** Does this thread's share of the commands in the stream. */
  run(): void;
}

export function openThread(start: ThreadStart): OpenThread {
  const control = new Int32Array(start.control);
  const counters = new Int32Array(start.counters);
  const stream = new Float64Array(start.stream);
  const banks = start.banks.map((bank) => openBank(start, bank));
  return {
    run() {
      const commands = Atomics.load(control, CONTROL.commands);
      let at = 0;
      for (let command = 0; command < commands; command++) {
        const count = stream[at + 4]!;
        try {
          runCommand(stream, at, count, counters, command, banks);
        } catch {
          Atomics.store(control, CONTROL.failed, command + 1);
        }
        meet(control, start.threads);
        at += HEADER + count;
      }
    },
  };
}

function openBank(start: ThreadStart, bank: BankStart): Bank {
  const instance = new WebAssembly.Instance(start.module, { env: { memory: bank.memory } });
  exportedFunction(instance, 'set_scratch')(bank.scratch[start.thread]!);
  const functions = start.functions.map((name) => exportedFunction(instance, name));
  return { memory: bank.memory, functions };
}

function exportedFunction({ exports }: WebAssembly.Instance, name: string): KernelFunction {
  const found: unknown = exports[name];
  if (!isKernelFunction(found)) throw new Error(`the module has no ${name}: build the kernels anew`);
  return found;
}

function isKernelFunction(value: unknown): value is KernelFunction {
  return typeof value === 'function';
}

function runCommand(
  stream: Float64Array,
  at: number,
  count: number,
  counters: Int32Array,
  command: number,
  banks: readonly Bank[],
): void {
  const kernel = stream[at]!;
  const bank = banks[stream[at + 1]!]!;
  if (kernel === COPY) {
    if (Atomics.add(counters, command, 1) === 0) copyAcross(stream, at, bank, banks);
    return;
  }
  const items = stream[at + 2]!;
  const grain = stream[at + 3]!;
  const run = bank.functions[kernel]!;
  const args = Array.from(stream.subarray(at + HEADER, at + HEADER + count));
  for (;;) {
    const from = Atomics.add(counters, command, grain);
    if (from >= items) return;
    run(...args, from, Math.min(items, from + grain));
  }
}

function copyAcross(stream: Float64Array, at: number, from: Bank, banks: readonly Bank[]): void {
  const to = banks[stream[at + 2]!]!;
  const [source, target, bytes] = stream.subarray(at + HEADER, at + HEADER + 3);
  new Uint8Array(to.memory.buffer, target, bytes).set(new Uint8Array(from.memory.buffer, source, bytes));
}

function meet(control: Int32Array, threads: number): void {
  if (threads === 1) return;
  const generation = Atomics.load(control, CONTROL.generation);
  if (Atomics.add(control, CONTROL.arrived, 1) === threads - 1) {
    Atomics.store(control, CONTROL.arrived, 0);
    Atomics.add(control, CONTROL.generation, 1);
    Atomics.notify(control, CONTROL.generation);
    return;
  }
  waitForChange(control, CONTROL.generation, generation);
}

function waitForChange(control: Int32Array, index: number, old: number): number {
  for (let i = 0; i < SPINS; i++) {
    const now = Atomics.load(control, index);
    if (now !== old) return now;
  }
  for (;;) {
    Atomics.wait(control, index, old);
    const now = Atomics.load(control, index);
    if (now !== old) return now;
  }
}
