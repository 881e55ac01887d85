/**
 * A command of this program as a process of its own: started, awaited until it reports that it is ready, and ended. It
 * leads its own process group, so that a Ctrl-C in the terminal reaches only the starter, which ends its children in
 * order; and it ends itself when the channel to the starter breaks, so that none outlives a starter that was killed.
 */
import { spawn } from 'node:child_process';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { CallerError } from '../base/errors.ts';

export interface Exit {
  /** Null where a signal ended it. */
  readonly code: number | null;
  /** For people: an exit code or a signal. */
  readonly how: string;
}

export interface Child {
  readonly name: string;
  readonly pid: number;
  readonly url: string;
  /** Resolves when the process is gone. */
  readonly exited: Promise<Exit>;
  /** Asks it to end, and makes it after the time. */
  stop(patienceMs?: number): Promise<void>;
  /** As a crash would. */
  kill(): Promise<void>;
  lastLines(): Promise<string>;
}

export interface ChildOptions {
  readonly name: string;
  /** The command and its flags. */
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly logFile: string;
  /** Keeps what is in the log. */
  readonly append?: boolean;
  readonly readyWithinMs?: number;
}

const readySchema = z.object({ ready: z.literal(true), url: z.string() });
const LAST_LINES = 12;

export async function startChild(options: ChildOptions): Promise<Child> {
  const { name, logFile } = options;
  const log = await open(logFile, options.append === true ? 'a' : 'w');
  const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts'), ...options.args], {
    env: { ...options.environment },
    detached: true,
    stdio: ['ignore', log.fd, log.fd, 'ipc'],
  });
  const exited = new Promise<Exit>((resolve) => {
    child.once('error', (error) => resolve({ code: null, how: error.message }));
    child.once('exit', (code, signal) => resolve({ code, how: signal ?? `exit code ${code}` }));
  });
  void exited.then(() => log.close());
  const lastLines = async (): Promise<string> =>
    (await readFile(logFile, 'utf8')).trimEnd().split('\n').slice(-LAST_LINES).join('\n');

  const ready = new Promise<string>((resolve) => {
    child.on('message', (message) => {
      const result = readySchema.safeParse(message);
      if (result.success) resolve(result.data.url);
    });
  });
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const failLate = (): void => {
      child.kill('SIGKILL');
      reject(new CallerError('start_failed', `The ${name} did not start in time. Its log: ${logFile}`));
    };
    timer = setTimeout(failLate, options.readyWithinMs ?? 120_000);
  });
  const died = exited.then(async ({ how }): Promise<never> => {
    throw new CallerError(
      'start_failed',
      `The ${name} ended while it started (${how}):\n${await lastLines()}`,
    );
  });
  const url = await Promise.race([ready, died, late]).finally(() => clearTimeout(timer));
  died.catch(() => undefined);

  return {
    name,
    url,
    exited,
    lastLines,
    pid: child.pid ?? 0,
    async stop(patienceMs = 10_000) {
      if (child.connected) child.disconnect();
      const terminate = setTimeout(() => child.kill('SIGKILL'), patienceMs);
      await exited;
      clearTimeout(terminate);
    },
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}
